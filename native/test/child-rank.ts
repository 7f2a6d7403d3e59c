/** Rank 1 of two in a process of its own, to be killed: `node child-rank.ts FOLDER PORT_OF_RANK_0`. Prints its port, then "ready". */
import path from 'node:path'
import process from 'node:process'
import { loadPlan, modelFacts, readHeaders } from '../../electron/models/models.ts'
import { addon, groupOptions, readJson, specOf, unevenSplit } from './ranks.ts'

const [folder, port] = process.argv.slice(2) as [string, string]
addon.dieWithParent()
const facts = modelFacts(readJson(path.join(folder, 'config.json')))
const split = unevenSplit(facts, [0.5])[1]!
const group = addon.createGroup(groupOptions(1, 2))
console.log(group.port)
await group.connect([{ host: '127.0.0.1', port: Number(port) }, { host: '', port: 0 }], 10_000)
const engine = await addon.open(specOf(facts, split, loadPlan(facts, await readHeaders(folder), split, 1)), group)
console.log('ready')
await engine.follow()
