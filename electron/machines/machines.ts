/** Machines: found, trusted, reached, looked over, given a worker. The folder's public file. */
export { createFinder } from './find/find.ts'
export type { Finder, FinderOptions } from './find/find.ts'
export { ownInterfaces, scanForMachines } from './find/scan.ts'
export type { ScanOptions } from './find/scan.ts'
export type { OwnInterface } from './find/subnet.ts'

export { createTrust, usualKnownHosts } from './trust/trust.ts'
export type { HostName, PinStore, Trust } from './trust/trust.ts'
export type { Pin } from './trust/decide.ts'
export type { HostKey } from './trust/host-key.ts'

export { parseAddress, readSshConfig, resolveTarget, aboutTarget } from './reach/target.ts'
export type { Address, Target, TargetOptions } from './reach/target.ts'
export { signIn } from './reach/sign-in.ts'
export type { Ask, SignIn } from './reach/sign-in.ts'
export { reachThisComputer } from './reach/local.ts'
export { runScript } from './reach/reach.ts'
export type { Channel, ExecOptions, ExecResult, Reach } from './reach/reach.ts'

export { probeMachine } from './probe/probe.ts'
export { harmlessText } from './probe/parse.ts'

export { bundleNameFor } from './install/support.ts'
export { installWorker, removeWorker } from './install/install.ts'
export type { Installed, InstallOptions, WorkerBundle } from './install/install.ts'

export { createFleet, thisMachineId } from './fleet.ts'
export type { Fleet, FleetDeps } from './fleet.ts'
export type { Connection } from './connection.ts'
