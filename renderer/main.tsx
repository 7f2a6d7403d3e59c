// vscode-jsonrpc needs its environment installed once before the first connection.
import 'vscode-jsonrpc/browser'
import '@fontsource-variable/ibm-plex-sans/wght.css'
import '@fontsource/ibm-plex-mono/400.css'
import './tokens.css'
import './base.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import * as z from 'zod/mini'
import { App } from './app.tsx'
import { startLanguage } from './i18n/index.ts'
import { keepConnected } from './state/connection.ts'
import { applyPreferences } from './state/preferences.ts'
import { pickTransport } from './state/transport.ts'

// The content policy forbids compiling code at run time, so zod must not try.
z.config({ jitless: true })

applyPreferences()
void keepConnected(pickTransport())
await startLanguage()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
