/** The bridge in the window's page: answers the page's request with a port to the app, and does nothing else. */
import { ipcRenderer } from 'electron'
import { portMessages } from './window-policy.ts'

window.addEventListener('message', (event) => {
  if (event.source !== window || event.origin !== location.origin || event.data !== portMessages.request) return
  const { port1, port2 } = new MessageChannel()
  ipcRenderer.postMessage(portMessages.port, null, [port2])
  window.postMessage(portMessages.port, location.origin, [port1])
})
