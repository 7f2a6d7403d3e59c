/** English: the help screen. The texts themselves are `renderer/help/topics.json`. */
import { plural } from './plural.ts'

export const help = {
  lead: 'Short answers about Lanyard. The built-in guide has learned from these very texts.',
  search: 'Search help',
  searchPlaceholder: 'host key, tokens per second, port …',
  found: (n: number) => plural(n, 'topic found', 'topics found'),
  nothingTitle: 'No topic has all these words',
  nothingText: 'Try fewer or other words.',
  askGuide: 'Ask the guide about it',
  sections: {
    about: 'About Lanyard',
    machines: 'Machines',
    models: 'Models',
    deploy: 'Deploying',
    chat: 'Chatting',
    api: 'OpenAI port',
    monitor: 'Watching it work',
    trouble: 'When something goes wrong',
    privacy: 'Privacy',
    usage: 'Starting, updating, leaving',
    talk: 'Small talk',
  },
  notes: {
    machines: 'How adding a machine works',
    hostKey: 'Why this is asked',
    models: 'How to choose a model',
    addModel: 'What a model folder holds',
    deploy: 'How to read the plan',
    shares: 'Why shares differ',
    weights: 'What fewer bits cost',
    api: 'How clients use the port',
    slower: 'Why several machines can be slower than one',
  },
}
