import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  contentSecurityPolicy,
  externalLink,
  isOwnPage,
  isTrustedSender,
  mayNavigate,
  mayUsePermission,
  webPreferences,
} from './window-policy.ts'

const foreign = [
  'https://ui/',
  'app://ui.example/index.html',
  'app://ui@example/index.html',
  'app://user@ui/index.html',
  'app://ui:80/index.html',
  'file:///etc/passwd',
  'about:blank',
  'javascript:alert(1)',
  '',
  'app:ui',
]

describe('the page', () => {
  test('is ours at app://ui/ and nowhere that looks like it', () => {
    expect(isOwnPage('app://ui/index.html#/chat')).toBe(true)
    expect(isOwnPage('APP://ui/')).toBe(true)
    for (const url of foreign) expect([url, isOwnPage(url), mayNavigate(url)]).toEqual([url, false, false])
  })

  test('runs isolated, sandboxed and without Node', () => {
    expect(webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
    })
  })

  test('loads nothing from elsewhere and evaluates no text', () => {
    expect(contentSecurityPolicy).toMatch(/^default-src 'none'; script-src 'self';/)
    expect(contentSecurityPolicy).not.toMatch(/unsafe-eval|https?:|\*/)
    expect(contentSecurityPolicy).toContain("frame-ancestors 'none'")
  })
})

describe('links to the outside', () => {
  test('open as the address a parser understands', () => {
    expect(externalLink('HTTPS://Example.com/a b?q=1#x')).toBe('https://example.com/a%20b?q=1#x')
    expect(externalLink('mailto:a@example.com')).toBe('mailto:a@example.com')
  })

  test('are refused unless they are https or mailto without credentials', () => {
    const refused = [
      'http://example.com',
      'file:///etc/passwd',
      'smb://host/share',
      'ms-msdt:/id',
      'https://a:b@example.com',
      'https://',
    ]
    for (const url of refused) expect([url, externalLink(url)]).toEqual([url, undefined])
  })

  test('never carry another scheme, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl(),
          fc.string(),
          fc.string().map((text) => `https:${text}`),
        ),
        (text) => {
          const link = externalLink(text)
          return link === undefined || /^(https|mailto):/.test(link)
        },
      ),
    )
  })
})

describe('permissions and messages', () => {
  test('are granted to our own page and for three harmless things', () => {
    expect(mayUsePermission('notifications', 'app://ui/')).toBe(true)
    for (const permission of ['media', 'geolocation', 'clipboard-read', 'openExternal', 'unknown', '']) {
      expect(mayUsePermission(permission, 'app://ui/')).toBe(false)
    }
    expect(mayUsePermission('notifications', 'https://example.com/')).toBe(false)
  })

  test('a port goes to the main frame of our page only', () => {
    expect(isTrustedSender({ url: 'app://ui/index.html', isMainFrame: true })).toBe(true)
    expect(isTrustedSender({ url: 'app://ui/index.html', isMainFrame: false })).toBe(false)
    expect(isTrustedSender({ url: 'https://example.com/', isMainFrame: true })).toBe(false)
    expect(isTrustedSender(null)).toBe(false)
  })
})
