export const root: string
export const pinnedMajor: number
export function pinnedNode(): string | undefined
export function handOver(verb: string, args: string[]): Promise<number>
export function runForeground(
  program: string,
  args: string[],
  options?: { cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<number>
