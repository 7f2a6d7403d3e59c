#!/usr/bin/env node
// `lanyard …` from a checkout (`npm link`): the same command line as `npm run -s lanyard -- …`.
import process from 'node:process'
import { handOver } from './bootstrap.mjs'

process.exitCode = await handOver('cli', process.argv.slice(2))
