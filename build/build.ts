/** `npm run build`: everything the app needs, without starting it. */
import { nativeStep } from './native.ts'
import { rendererStep } from './renderer.ts'
import { buildLock, runStep } from './steps.ts'
import { workerBundleStep } from './worker-bundle.ts'

/** Builds what is not current. @throws BuildError @returns how many steps ran */
export async function buildAll({ withTests = false } = {}): Promise<number> {
  using _lock = await buildLock()
  let ran = 0
  for (const step of [nativeStep(withTests), workerBundleStep(), rendererStep()]) ran += Number(await runStep(step))
  return ran
}

export async function build(): Promise<number> {
  const ran = await buildAll()
  console.error(ran === 0 ? 'Everything is built already.' : 'Built. Start with `npm start`.')
  return 0
}
