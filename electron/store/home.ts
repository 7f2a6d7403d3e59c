/** LANYARD_HOME: the folder that everything of one user lies in. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** `LANYARD_HOME` if set, else the platform's folder for application data. */
export function lanyardHome(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env['LANYARD_HOME']) return resolve(env['LANYARD_HOME'])
  if (platform === 'win32') return join(env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'Lanyard')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Lanyard')
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'lanyard')
}
