"""Short follow-up questions and where they lead from each topic; anything not listed here is not trained."""

UNDO = {
    "add-machine": "remove-machine", "remove-machine": "add-machine", "add-model": "remove-model", "remove-model": "add-model",
    "start-deployment": "stop-deployment", "stop-deployment": "start-deployment", "download-model": "remove-model",
    "what-is-installed": "remove-machine", "first-steps": "uninstall", "uninstall": "first-steps", "stop-answer": "edit-message",
    "find-machines": "remove-machine", "quit": "first-steps", "requirements": "remove-machine",
}
WHY = {
    "host-key-changed": "host-key-changed", "host-key": "host-key", "slower-with-two": "slower-with-two", "splitting": "what-is-lanyard",
    "network-speed": "slower-with-two", "cpu-only": "cpu-only", "api-key": "api-key", "too-big": "memory-fit", "rank-died": "logs",
    "machine-away": "unreachable", "choose-model": "memory-fit", "uneven-shares": "uneven-shares", "encryption": "privacy",
    "unreachable": "unreachable", "fewer-bits": "memory-fit", "context-length": "memory-fit", "gpu": "gpu", "supported-models": "formats",
}
FAIL = {
    "add-machine": "unreachable", "sign-in": "wrong-password", "add-model": "truncated-file", "start-deployment": "too-big",
    "openai-port": "port-in-use", "machine-away": "unreachable", "memory-fit": "too-big", "plan": "too-big", "served-name": "name-taken",
    "download-model": "truncated-file", "headless": "port-in-use", "host-key": "host-key-changed", "too-big": "fewer-bits",
    "gpu": "cpu-only", "wrong-password": "sign-in", "unreachable": "doctor", "rank-died": "logs", "doctor": "logs", "choose-model": "too-big",
    "find-machines": "add-machine", "curl": "doctor", "update": "doctor", "first-steps": "doctor", "remove-machine": "doctor", "chat-window": "doctor",
    "stop-deployment": "doctor", "no-space": "doctor", "truncated-file": "doctor", "name-taken": "doctor", "host-key-changed": "doctor", "quit": "doctor",
}
NEXT = {
    "what-is-lanyard": "first-steps", "who-is-it-for": "first-steps", "first-steps": "add-machine", "cost": "first-steps", "requirements": "add-machine",
    "find-machines": "add-machine", "add-machine": "add-model", "host-key": "add-model", "choose-model": "download-model", "download-model": "add-model",
    "add-model": "start-deployment", "plan": "start-deployment", "memory-fit": "start-deployment", "start-deployment": "chat-window",
    "chat-window": "openai-port", "openai-port": "curl", "sign-in": "host-key", "this-computer": "add-model",
}
SAFE = {
    "add-machine": "what-is-installed", "openai-port": "api-key", "curl": "api-key", "splitting": "encryption", "network-speed": "encryption",
    "privacy": "encryption", "sign-in": "sign-in", "start-deployment": "privacy", "chat-window": "privacy", "what-is-installed": "what-is-installed",
    "find-machines": "find-machines", "what-is-lanyard": "privacy", "headless": "headless", "host-key": "host-key", "add-model": "privacy",
}
SHELL = {
    "add-machine": "add-machine", "remove-machine": "remove-machine", "add-model": "add-model", "remove-model": "remove-model",
    "start-deployment": "start-deployment", "stop-deployment": "stop-deployment", "plan": "plan", "logs": "logs", "doctor": "doctor", "quit": "quit",
    "chat-window": "command-line", "monitor": "command-line", "find-machines": "command-line", "first-steps": "command-line", "memory-fit": "plan",
}
STOP_IT = {"start-deployment": "stop-deployment", "chat-window": "stop-answer", "what-is-lanyard": "quit", "first-steps": "quit", "headless": "quit", "parameters": "stop-answer", "edit-message": "stop-answer"}
REMOVE_IT = {"add-machine": "remove-machine", "add-model": "remove-model", "chat-window": "delete-chat", "find-machines": "remove-machine", "download-model": "remove-model", "what-is-installed": "remove-machine", "what-is-lanyard": "uninstall", "update": "uninstall", "start-deployment": "stop-deployment", "machine-away": "remove-machine", "host-key-changed": "remove-machine", "edit-message": "delete-chat"}
START_IT = {"add-model": "start-deployment", "choose-model": "start-deployment", "download-model": "start-deployment", "plan": "start-deployment", "memory-fit": "start-deployment", "stop-deployment": "start-deployment", "what-is-lanyard": "first-steps", "fewer-bits": "start-deployment", "too-big": "start-deployment"}
AND_MODELS = {"add-machine": "add-model", "remove-machine": "remove-model", "requirements": "supported-models", "find-machines": "download-model"}
AND_MACHINES = {"add-model": "add-machine", "remove-model": "remove-machine", "download-model": "find-machines", "supported-models": "requirements"}
HOW_FAST = {"start-deployment": "monitor", "splitting": "slower-with-two", "add-machine": "slower-with-two", "cpu-only": "cpu-only", "plan": "plan", "what-is-lanyard": "plan", "choose-model": "plan"}
HOW_MUCH_MEMORY = {"choose-model": "choose-model", "add-model": "memory-fit", "start-deployment": "memory-fit", "splitting": "memory-fit", "plan": "memory-fit", "fewer-bits": "fewer-bits", "context-length": "memory-fit", "supported-models": "memory-fit"}

# name: (target by topic, English, Chinese)
KINDS = {
    "undo": (UNDO,
        ["(and|) (how do|how can|can) I undo (that|it|this) [again|later]", "[and] (in the|the) other (direction|way round|way)", "[and] (how about|what about|) the (opposite|reverse|other direction)", "[and] (how do I|how to) (reverse|revert|take back) (that|it|this)", "can (it|that) be (undone|reversed|reverted)", "(undo|reverse|opposite)", "(and|) how do I go back", "and the other way round"],
        ["(那|)(怎么|如何)(撤销|撤回|反过来|恢复原样|取消)", "(那|)反过来(呢|怎么做|怎么办|怎么弄)", "(可以|能)(撤销|反悔|撤回|取消)吗", "(那|)(反方向|相反的操作|反向操作)(呢|怎么做|)", "(撤销|反过来)", "后悔了怎么办"]),
    "why": (WHY,
        ["why", "[but|and] why [is that|so|is it so|does it do that]", "what is the reason [for that]", "how come", "why that", "for what reason", "and why is that", "what (causes|is behind) (that|this)", "explain why"],
        ["为什么", "为啥", "(那|)(这|)是(为什么|为啥|什么原因)", "(原因|理由)(是什么|呢)", "为什么(会这样|呢|这样)", "怎么会这样", "什么道理"]),
    "fail": (FAIL,
        ["[and] what if (that|it|this) (fails|does not work|doesn't work|goes wrong|is refused)", "[and] if (that|it|this) (fails|does not work|doesn't work|goes wrong)", "(that|it|this) (does not work|doesn't work|failed|did not work|fails) [for me|here]", "(it|that) still (does not work|fails)", "(and|) (when|if) (it|that) (fails|goes wrong), what then", "I (tried|did) that, (no success|it failed|it did not work)", "did not work"],
        ["(那|)(如果|要是|万一)(失败|不行|不成功|出错|没用|不管用)(了|)(呢|怎么办|怎么处理)", "(还是|)(不行|失败了|没用|不成功|不管用|不起作用)(怎么办|[，]怎么办|)", "(这样|那样|)(不行|失败)(的话|)(怎么办|呢)", "我试了[，](不行|失败了|没用)", "出错了怎么办"]),
    "next": (NEXT,
        ["[and] (then|after that|next|what then|now|and then|what next|then what)", "[and] what (comes|is|do I do) (next|then|after that|now)", "(ok|done|good|finished|I did that)[,] (what next|and now|now what|next|what now|what is next)", "(what is|and) the next step", "how do I (go on|continue|proceed)"],
        ["(然后|接下来|之后|下一步)(呢|做什么|怎么做|怎么办|是什么|)", "(好了|做完了|弄好了|完成了|搞定了)[，](然后呢|接下来呢|下一步呢|再做什么|下一步做什么)", "(那|)再(然后|接下来|之后)(呢|)", "(怎么|如何)继续"]),
    "safe": (SAFE,
        ["[and] is (that|it|this) (safe|secure|dangerous|risky)", "how (safe|secure) is (that|it|this)", "(is|are) there (any|) (risk|risks|danger)", "[and] what about (security|safety)", "can (something|anything) (bad|) happen", "is that (a security risk|a risk)"],
        ["(这|那|这样|)(安全吗|有风险吗|危险吗|会不会有风险|安不安全)", "(那|)安全(性|)(怎么样|呢|如何)", "(有|会有)(什么|)(风险|危险)(吗|么|)", "不会有问题吧"]),
    "shell": (SHELL,
        ["[and] (on|in|from|with) the (command line|shell|terminal|console)", "(which|what) command is (that|it)", "[and] how (do I do that|does that go|is that done) (on|in|from) (a|the) (command line|shell|terminal)", "(is there|what is) (a|the) command [for (that|it|this)]", "can I do that (in|from) (a|the) (shell|terminal|command line)", "as a command"],
        ["(那|)(命令行|终端|shell)(呢|里怎么做|怎么做|怎么弄|里呢|里怎么写)", "(用|有)(什么|哪个|)命令(吗|呢|)", "(命令|对应的命令)(是什么|呢|怎么写)", "(怎么|如何)用命令(做|完成)", "在(终端|命令行)里(呢|怎么办)"]),
    "stop-it": (STOP_IT,
        ["[and] how (do|can) I (stop|end|quit) (it|that|this) [again]", "how to stop it", "(stop|end) it again", "[and] (how|where) (does|do) (it|I) stop [it]", "can I stop it"],
        ["(那|)(怎么|如何)(停|停止|停掉|结束|关掉)(它|这个|)", "(怎么|如何)让它停(下来|)", "能停(掉|下来|)吗"]),
    "remove-it": (REMOVE_IT,
        ["[and] how (do|can) I (remove|delete|get rid of) (it|that|this|one|them) [again|later]", "(remove|delete) it again", "how to (remove|delete) it", "can I (remove|delete) (it|that) [again|later]", "[and] if I (no longer|don't) (want|need) it [any more]"],
        ["(那|)(怎么|如何)(删|删掉|移除|删除|去掉)(它|这个|掉|)", "(以后|还|)(能|可以)(删掉|移除|删除)(它|)吗", "(如果|)不(想要|需要|用)了(呢|怎么办)"]),
    "start-it": (START_IT,
        ["[and] how (do|can) I (start|run|launch|use|load) (it|that|one|this) [now|then]", "(start|run) it", "how to (run|start|use) it", "[and] how does it start", "now I want to (run|start|use) it"],
        ["(那|)(怎么|如何)(启动|运行|跑|用|使用)(它|这个|起来|)", "(现在|)(想|要)(启动|运行|用)(它|)", "怎么(跑|用)起来"]),
    "and-models": (AND_MODELS,
        ["[and] (what about|how about|) (a model|models|the model)", "(and|) (the same|that|it) (for|with) (a model|models)", "and (with|for) models"],
        ["(那|)模型(呢|怎么办|怎么弄|怎么样)", "换成模型呢"]),
    "and-machines": (AND_MACHINES,
        ["[and] (what about|how about|) (a machine|machines|the machine|a computer)", "(and|) (the same|that|it) (for|with) (a machine|machines)", "and (with|for) machines"],
        ["(那|)(机器|电脑|服务器)(呢|怎么办|怎么弄|怎么样)", "换成机器呢"]),
    "how-fast": (HOW_FAST,
        ["[and] how fast is (it|that|this) [then]", "is (it|that) fast", "(and|) (the|what about the) speed", "is (it|that) slow", "how fast will that be"],
        ["(那|)(速度|)(有多快|快吗|多快|快不快|怎么样)", "(那|)速度(呢|怎么样|如何)", "会慢吗"]),
    "how-much-memory": (HOW_MUCH_MEMORY,
        ["[and] how much (memory|vram|ram) (does (it|that) (need|take|use)|is needed|do I need)", "(and|what about) (the|) memory", "is my memory enough [for (it|that)]"],
        ["(那|)(要|需要|占)(多少|多大)(内存|显存)", "(那|)(内存|显存)(呢|够吗|要多少)"]),
}

TO_CHINESE = ["[and] in Chinese [please]", "(can you|please|) (say|repeat|answer|explain) (that|it|this|) in Chinese", "Chinese please", "now in Chinese", "(用|请用)(中文|汉语)(说|回答|再说一遍|讲|解释|)(一下|一遍|)", "中文(呢|怎么说|版|)", "(说|讲)中文", "translate (that|it) (to|into) Chinese", "in Mandarin please"]
TO_ENGLISH = ["[and] in English [please]", "(can you|please|) (say|repeat|answer|explain) (that|it|this|) in English", "English please", "now in English", "(用|请用)(英文|英语)(说|回答|再说一遍|讲|解释|)(一下|一遍|)", "英文(呢|怎么说|版|)", "(说|讲)英文", "translate (that|it) (to|into) English"]
AGAIN_EN = ["(can you|could you|please|) (repeat|say) (that|it) [again] [please]", "(again|once more|one more time) [please]", "(what|sorry|pardon|come again|huh)", "(sorry|), what did you say", "I did not (understand|get) (that|it)", "say that again"]
AGAIN_ZH = ["(请|)(再说一遍|重复一遍|再讲一次|重复一下|再说一次)", "(什么|没听清|没看懂|没明白|没懂)", "(你|)刚才说什么"]
