/**
 * Draws the app's icons from icons/icon.svg: `node build/icons.ts`. Needs Chromium (the tests' package); the results
 * are kept in the repository, so that a build needs none.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { chromium } from 'playwright-core'

const folder = path.join(import.meta.dirname, 'icons')
const sizes = [16, 32, 48, 64, 128, 256, 512]

/** PNG of the drawing at `size` × `size` pixels, with transparent corners. */
async function drawAll(): Promise<Map<number, Buffer>> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  })
  try {
    const svg = readFileSync(path.join(folder, 'icon.svg'), 'base64')
    const images = new Map<number, Buffer>()
    for (const size of [...sizes, 1024]) {
      const page = await browser.newPage({ viewport: { width: size, height: size } })
      const style = `display:block;width:${size}px;height:${size}px`
      await page.setContent(`<body style="margin:0"><img style="${style}" src="data:image/svg+xml;base64,${svg}">`)
      images.set(size, await page.screenshot({ omitBackground: true }))
      await page.close()
    }
    return images
  } finally {
    await browser.close()
  }
}

/** Windows .ico whose images are PNGs (Vista and later): 6-byte header, 16 bytes per image, then the images. */
export function icoOf(images: Map<number, Buffer>): Buffer {
  const header = Buffer.alloc(6 + 16 * images.size)
  header.writeUInt16LE(1, 2)
  header.writeUInt16LE(images.size, 4)
  let offset = header.length
  for (const [index, [size, png]] of [...images].entries()) {
    const at = 6 + 16 * index
    header.writeUInt8(size % 256, at)
    header.writeUInt8(size % 256, at + 1)
    header.writeUInt16LE(1, at + 4)
    header.writeUInt16LE(32, at + 6)
    header.writeUInt32LE(png.length, at + 8)
    header.writeUInt32LE(offset, at + 12)
    offset += png.length
  }
  return Buffer.concat([header, ...images.values()])
}

/** macOS .icns: 'icns', length, then entries of type, length, PNG. Types: Apple's Icon Services. */
export function icnsOf(images: Map<number, Buffer>): Buffer {
  const types: [string, number][] = [
    ['ic11', 32],
    ['ic12', 64],
    ['ic07', 128],
    ['ic08', 256],
    ['ic09', 512],
    ['ic10', 1024],
  ]
  const entry = (type: string, body: Buffer) => {
    const head = Buffer.alloc(8)
    head.write(type, 'latin1')
    head.writeUInt32BE(body.length + 8, 4)
    return Buffer.concat([head, body])
  }
  return entry('icns', Buffer.concat(types.map(([type, size]) => entry(type, images.get(size)!))))
}

if (import.meta.main) {
  const images = await drawAll()
  for (const size of sizes) writeFileSync(path.join(folder, `${size}x${size}.png`), images.get(size)!)
  writeFileSync(
    path.join(folder, 'icon.ico'),
    icoOf(new Map([16, 32, 48, 64, 128, 256].map((size) => [size, images.get(size)!]))),
  )
  writeFileSync(path.join(folder, 'icon.icns'), icnsOf(images))
}
