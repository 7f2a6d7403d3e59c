/** 简体中文: the api screen. */
import type { Messages } from '../messages.ts'

export const api = {
  lead: '任何 OpenAI 客户端都能使用正在提供服务的模型。',
  url: '基础 URL',
  noUrl: '不可用',
  copyUrl: '复制 URL',
  listening: '监听中',
  notListening: '未监听',
  onlyHere: '只在本机监听，不需要密钥；其他计算机无法访问。',
  try: '直接使用',
  tryNote: '已按当前运行的模型填好，粘贴即可。',
  noneTitle: '还没有可调用的模型',
  noneText: '启动部署后，这里会出现现成的代码。',
  toDeploy: '部署模型',
  language: '语言',
  model: '模型',
  languages: { curl: 'curl', python: 'Python', javascript: 'JavaScript' },
  copyCode: '复制代码',
  prompt: '你好！你能做什么？',
  guidePrompt: '怎么添加一台机器？',
  servedNames: '服务名',
  noneServed: '暂无。',
  copyName: (name) => `复制 ${name}`,
} satisfies Messages['api']
