/** The tray icon: there only while a model is served, so that closing the window never hides a running server. */
import { Menu, Notification, Tray } from 'electron'

export interface TrayActions {
  open: () => void
  quit: () => void
}

export interface ServingTray {
  /** `names` of what is served; none takes the icon away */
  show: (names: string[]) => void
  /** says once per start that Lanyard goes on in the tray */
  sayStillRunning: () => void
}

export function createServingTray(icon: string, actions: TrayActions): ServingTray {
  let tray: Tray | undefined
  let hasSaid = false
  return {
    show(names) {
      if (names.length === 0) {
        tray?.destroy()
        tray = undefined
        return
      }
      if (!tray) {
        tray = new Tray(icon)
        tray.on('click', actions.open)
      }
      const title = `Lanyard serves ${names.join(', ')}`
      tray.setToolTip(title)
      tray.setContextMenu(
        Menu.buildFromTemplate([
          { label: title, enabled: false },
          { type: 'separator' },
          { label: 'Open Lanyard', click: actions.open },
          { label: 'Quit', click: actions.quit },
        ]),
      )
    },
    sayStillRunning() {
      if (hasSaid || !Notification.isSupported()) return
      hasSaid = true
      new Notification({
        title: 'Lanyard is still serving',
        body: 'It stays in the tray until you quit it there.',
      }).show()
    },
  }
}
