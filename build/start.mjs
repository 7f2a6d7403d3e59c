#!/usr/bin/env node
// The one way in: every npm script is `node build/start.mjs VERB [ARGS…]`. Plain JavaScript that runs on Node 20;
// it fetches the packages, then hands over to build/verbs.ts under the Node that Lanyard pins.
import process from 'node:process'

const oldest = 20
if (Number(process.versions.node.split('.')[0]) < oldest) {
  console.error(
    `Lanyard's scripts need Node ${oldest} or newer to start; this is ${process.version}. ` +
      'Debian 12 and Ubuntu: see https://nodejs.org/en/download, or `npm install -g n && n 24`.',
  )
  process.exit(1)
}

const [verb = 'start', ...args] = process.argv.slice(2)
const { handOver } = await import('./bootstrap.mjs')
process.exitCode = await handOver(verb, args)
