/** 简体中文：为中文读者而写，不是逐句翻译。 */
import { api } from './zh-cn/api.ts'
import { chat } from './zh-cn/chat.ts'
import { deploy } from './zh-cn/deploy.ts'
import { frame } from './zh-cn/frame.ts'
import { help } from './zh-cn/help.ts'
import { machines } from './zh-cn/machines.ts'
import { models } from './zh-cn/models.ts'
import { monitor } from './zh-cn/monitor.ts'
import { settings } from './zh-cn/settings.ts'
import type { Messages } from './messages.ts'

export const zhCN = { ...frame, machines, models, deploy, chat, api, monitor, help, settings } satisfies Messages
