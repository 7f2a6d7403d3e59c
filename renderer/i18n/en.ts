/** English. Every text of the window is here; `messages.ts` makes the other languages have the same ones. */
import { api } from './en/api.ts'
import { chat } from './en/chat.ts'
import { deploy } from './en/deploy.ts'
import { frame } from './en/frame.ts'
import { help } from './en/help.ts'
import { machines } from './en/machines.ts'
import { models } from './en/models.ts'
import { monitor } from './en/monitor.ts'
import { settings } from './en/settings.ts'

export const en = { ...frame, machines, models, deploy, chat, api, monitor, help, settings }
