/** 简体中文: the help screen. */
import type { Messages } from '../messages.ts'

export const help: Messages['help'] = {
  lead: '关于 Lanyard 的简短解答。内置向导学的就是这些文字。',
  search: '搜索帮助',
  searchPlaceholder: '主机密钥、每秒 token 数、端口……',
  found: (n) => `找到 ${n} 个主题`,
  nothingTitle: '没有主题同时包含这些词',
  nothingText: '少输几个词，或换个说法试试。',
  askGuide: '就此问问向导',
  sections: {
    about: '关于 Lanyard',
    machines: '机器',
    models: '模型',
    deploy: '部署',
    chat: '对话',
    api: 'OpenAI 端口',
    monitor: '运行情况',
    trouble: '出了问题时',
    privacy: '隐私',
    usage: '启动、更新与卸载',
    talk: '闲聊',
  },
  notes: {
    machines: '怎样添加机器',
    hostKey: '为什么要问这个',
    models: '怎样选择模型',
    addModel: '模型文件夹里要有什么',
    deploy: '怎样看懂方案',
    shares: '份额为什么不一样',
    weights: '减少位数的代价',
    api: '客户端怎样使用这个端口',
    slower: '为什么多台机器可能比一台还慢',
  },
}
