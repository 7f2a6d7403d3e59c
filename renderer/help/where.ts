/** Which topics stand where in the window, by their ids in `topics.json`. */

/** Questions offered in an empty chat with the guide; their words are `chat.questions` of each language. */
export const suggestedTopics = ['add-machine', 'choose-model', 'slower-with-two', 'openai-port'] as const

/** the topic that answers what comes up at a place */
export const topicOf = {
  machines: 'add-machine',
  hostKey: 'host-key',
  models: 'choose-model',
  addModel: 'add-model',
  deploy: 'plan',
  shares: 'uneven-shares',
  weights: 'fewer-bits',
  api: 'openai-port',
  slower: 'slower-with-two',
} as const
export type Place = keyof typeof topicOf
