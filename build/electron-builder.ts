/** What electron-builder packs for Linux, Windows and macOS. */
import type { Configuration } from 'electron-builder'

/** Required: a fuse that Electron adds has to be decided here before this compiles. */
const fuses: Required<NonNullable<Configuration['electronFuses']>> = {
  runAsNode: false,
  enableNodeOptionsEnvironmentVariable: false,
  enableNodeCliInspectArguments: false,
  enableCookieEncryption: true,
  enableEmbeddedAsarIntegrityValidation: true,
  onlyLoadAppFromAsar: true,
  grantFileProtocolExtraPrivileges: false,
  loadBrowserProcessSpecificV8Snapshot: false,
  resetAdHocDarwinSignature: true,
}

/** @param electronDist folder of an unpacked Electron; undefined lets electron-builder fetch it */
export function builderConfig(electronVersion: string, electronDist: string | undefined): Configuration {
  return {
    appId: 'dev.lanyard.desktop',
    productName: 'Lanyard',
    copyright: 'Apache-2.0',
    electronVersion,
    ...(electronDist ? { electronDist } : {}),
    // Everything is bundled: no package, no source and no map goes in.
    npmRebuild: false,
    nodeGypRebuild: false,
    files: [
      '!**/*',
      'package.json',
      'LICENSE',
      'dist/app/*',
      'dist/renderer/**/*',
      'build/icons/32x32.png',
      'build/icons/256x256.png',
      '!node_modules/**/*',
      '!**/*.map',
    ],
    asar: true,
    // The Linux workers go into every package: a Mac or Windows computer sends them too.
    extraResources: [
      { from: 'dist/worker', to: 'worker', filter: ['*/*', '!*.partial/*', '!*.old/*'] },
      // The built-in model is read by ranks, which know nothing of the archive.
      { from: 'build/guide-model/model', to: 'guide', filter: ['*'] },
    ],
    directories: { output: 'dist/packages', buildResources: 'build/icons' },
    electronFuses: fuses,
    publish: null,
    linux: {
      target: ['AppImage', 'deb'],
      category: 'Development',
      icon: 'build/icons',
      executableName: 'lanyard',
      maintainer: 'Lanyard contributors',
      synopsis: 'Run one model over all the GPU machines on your LAN',
    },
    win: { target: ['nsis'], icon: 'build/icons/icon.ico' },
    nsis: { oneClick: false, perMachine: false, license: 'LICENSE' },
    mac: {
      target: [{ target: 'dmg', arch: ['universal'] }],
      icon: 'build/icons/icon.icns',
      category: 'public.app-category.developer-tools',
      hardenedRuntime: true,
    },
  }
}
