import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../testing/worker-process.ts'
import { openLog } from './log.ts'

test('the file turns over at its size and only so many are kept, each line whole', () => {
  using folder = temporaryFolder()
  using log = openLog(folder.path, { maxBytes: 400, files: 3, now: () => 5 })
  for (let n = 0; n < 30; n++) log.write('info', 'test', `line ${n}`)
  expect(readdirSync(folder.path).toSorted()).toEqual(['worker.log', 'worker.log.1', 'worker.log.2'])
  const texts = ['worker.log.2', 'worker.log.1', 'worker.log']
    .flatMap((name) => readFileSync(path.join(folder.path, name), 'utf8').trim().split('\n'))
    .map((line) => (JSON.parse(line) as { text: string }).text)
  expect(texts.at(-1)).toBe('line 29')
  expect(texts).toEqual(Array.from({ length: texts.length }, (_, n) => `line ${30 - texts.length + n}`))
})

test('it goes on in a file that is there, and gives the last lines to who asks and the next to who listens', () => {
  using folder = temporaryFolder()
  {
    using first = openLog(folder.path)
    first.write('info', 'a', 'before')
  }
  using log = openLog(folder.path)
  const heard: string[] = []
  log.write('info', 'a', 'one')
  {
    using _listener = log.subscribe((line) => heard.push(line.text))
    log.write('warn', 'a', 'two')
  }
  log.write('error', 'a', 'x'.repeat(10_000))
  expect(heard).toEqual(['two'])
  expect(log.last(2).map((line) => line.text.length)).toEqual([3, 8193])
  expect(log.last(0)).toEqual([])
  expect(readFileSync(path.join(folder.path, 'worker.log'), 'utf8').split('\n')).toHaveLength(5)
})
