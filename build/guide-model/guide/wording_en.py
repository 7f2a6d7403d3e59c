"""English ways of asking, by topic.

Small grammars of our own writing: (a|b) is a choice, [a] may be left out, <word> is a macro below.
do:    verb phrases, put behind "how do I …" and its kin
about: noun phrases, put behind "what is …", "tell me about …" and alone
ask:   whole questions and complaints, used as they are
"""

MACROS = {
    "machine": "(machine|machine|machine|computer|server|box|host|pc|workstation|node|GPU (box|server|machine)|other (computer|machine|pc)|second (machine|computer|pc)|rig|desktop|laptop|system|new machine)",
    "machines": "(machines|machines|computers|servers|boxes|hosts|pcs|workstations|nodes|GPU (boxes|servers|machines)|systems)",
    "model": "(model|model|model|LLM|language model|AI model|ai|neural network|checkpoint)",
    "models": "(models|models|LLMs|language models|AI models|checkpoints)",
    "add": "(add|add|connect|register|attach|set up|include|hook up|join|bring in|enrol|plug in|link)",
    "remove": "(remove|remove|delete|take out|get rid of|drop|disconnect|unregister|kick out|detach|erase|take away|throw out)",
    "start": "(start|run|launch|serve|deploy|load|bring up|fire up|spin up|begin|boot|activate)",
    "stop": "(stop|end|shut down|kill|halt|terminate|unload|take down|turn off|switch off|cancel)",
    "deployment": "(deployment|running model|served model|model that is running|loaded model)",
    "see": "(see|view|check|look at|read|watch|find|show|inspect|open)",
    "my": "(my|the|our|a|this|that|)",
    "a": "(a|the|my|another|one|)",
    "net": "(network|LAN|local network|office network|home network|wifi|subnet)",
    "app": "(Lanyard|Lanyard|lanyard|it|this|the app|this app|the program|this program|this tool|the software|this thing)",
    "L": "(Lanyard|lanyard|this app|this program|this tool|the app|this software)",
    "slow": "(slow|slower|so slow|very slow|sluggish|not faster|worse|crawling)",
    "card": "(card|GPU|graphics card|video card)",
    "change": "(change|set|choose|pick|switch|adjust|modify|alter|configure|edit)",
    "need": "(need|require|have to have|must have)",
    "why": "(why|how come|for what reason|what is the reason that)",
    "error": "(error|problem|message|failure|issue|fault)",
}

TOPICS = {
    "what-is-lanyard": {
        "do": [],
        "about": ["Lanyard", "Lanyard", "this (app|program|tool|software|product)", "the purpose of <L>", "the (idea|point|concept) (of|behind) <L>", "the lanyard (app|project|program|software)"],
        "ask": [
            "what (is|does) <app> [do]", "what is <L> [exactly|for|about|good for|all about]", "what can <L> do [for me]", "what do I (use|need) <app> for",
            "(give me|i want) (a short|a brief|an) (overview|summary|introduction|description|intro) (of|to) <L>", "(explain|describe) <L> [to me] [in (a|one) sentence|briefly|in short]",
            "what (would|could|can|do) (I|people|one) do with <app>", "what does <L> (actually|really|basically) do", "what am I looking at [here]", "what kind of (program|software|app|tool) is (this|Lanyard)",
            "what (did i|have i) (just) (install|installed|start|started|open|opened)", "how does <L> work", "why does <L> exist", "why (should|would) I use <L>", "what problem does <L> solve", "never heard of (this|Lanyard), what is it",
            "can <app> (combine|join|use|pool) (several|multiple|many|two|all my) <machines> [into one|together]", "how many <machines> (can|does) <app> (use|support|handle|combine)", "(what is|maximum|max|limit) (the maximum|) number of <machines>",
        ],
    },
    "who-is-it-for": {
        "do": [],
        "about": ["the (target|intended) (audience|users|group|user)", "who (it|Lanyard|this) is (for|made for|meant for)", "typical users [of <L>]"],
        "ask": [
            "who is (it|this|Lanyard|this app) [made|meant|built|intended] for", "who (should|would|can|could) use <app>", "is <app> (for me|right for me|something for me|for beginners|for companies|for home users|for offices|for a small team)",
            "who uses <L>", "is <L> (useful|suitable|meant|intended|good) for (me|a small office|home use|a company|hobbyists|students|a data center|a research lab|a team)", "who needs (this|Lanyard)", "for whom is <app>", "what (kind|sort) of (people|users|person) (use|uses|needs|need|is) <app> [for]",
            "should I (use|be using) <app>", "am I the right (user|person) for <app>", "do I (need|want) <L>", "who (are|is) the (target|intended) (users|audience|user)", "which people (benefit|profit) from <L>", "(would|could) a (small|tiny) (lab|company|team|office) (use|benefit from) <L>",
        ],
    },
    "first-steps": {
        "do": ["(get started|get going|begin|start out) [with <L>]", "(use|start using|set up|try|try out) <L> [for the first time]", "(take|do) (my|the) first steps", "have (my|a) first chat", "get <L> (running|going|working) [from scratch]", "go from (nothing|zero) to (a chat|chatting)"],
        "about": ["the (first|initial|basic) steps", "a quick start [guide]", "getting started", "a (beginner|beginners|newcomer) (guide|tutorial|introduction)", "a tutorial [for <L>]", "a quickstart", "the (workflow|order of steps|overall procedure)"],
        "ask": [
            "(what|where) (do|should|must) I (do first|begin|start)", "what (is|are) the first (step|steps|thing|things) [to do]", "(I am|I'm|im) new [here|to this|to Lanyard], (what now|where do I start|what do I do|what should I do first)", "(just|I have just|i) (installed|started|opened) <app>, (what now|now what|what next|what do i do)",
            "how does one (start|begin|get started)", "how do I use (this|this app|Lanyard|it)", "walk me through (it|this|the setup|the basics|the beginning)", "what now", "now what", "(give|show) me a (quick start|tutorial|quick tour|walkthrough|tour)", "which steps (are there|do I need|are needed) [before I can chat]",
            "(total|complete|absolute) beginner here", "what (are|is) the (basics|basic steps)", "how do I (set|get) (everything|all|it all) (up|running|going)", "what do I (have to|need to|must) do (before|until) I can (chat|talk to a model)",
        ],
    },
    "cost": {
        "do": ["(pay|buy|purchase|subscribe to|pay for) <L>", "(get|buy) a (licence|license) [for <L>]"],
        "about": ["the (price|cost|pricing|licence|license) [of <L>]", "(licence|license) terms", "fees", "the (subscription|payment|billing)", "usage limits", "the source code [of <L>]"],
        "ask": [
            "(what|how much) does <app> cost", "is <app> (free|open source|gratis|paid|commercial|proprietary|for free|free of charge|expensive)", "do I (have|need) to pay [for (it|this|anything)]", "is there a (fee|subscription|free version|trial|price|paid version|usage limit|limit on usage|charge)", "how much (is|for) <app>",
            "what (licence|license) (is it|does it have|is it under|does Lanyard use)", "(which|under which|under what) (licence|license)", "can I use <app> (commercially|at work|for business|in my company|for free)", "where is the source code", "do I need (an account|to register|to sign up|a subscription|a login|a credit card)", "is there (a|any) (account|registration|sign up) [needed|required]",
            "will I be (charged|billed)", "does it cost (money|anything|something)", "what is the price", "(who|what) do I pay", "may I (use|modify|share|redistribute) (it|Lanyard) [freely]", "apache (licence|license|2.0)",
        ],
    },
    "requirements": {
        "do": ["prepare <a> <machine> [for <L>]", "get <a> <machine> ready [for <L>]"],
        "about": ["the (system|minimum|hardware|software) requirements", "requirements [for <a> <machine>]", "(supported|compatible) (operating systems|linux versions|distributions|distros|os|platforms)", "prerequisites", "(minimum|required) (glibc|linux|os) version", "what <a> <machine> (needs|must have)"],
        "ask": [
            "what does <a> <machine> <need>", "what do (the|my|other) <machines> <need>", "what (must|has to|should) (be|) (installed|there|present|ready) on <a> <machine> [before|first|beforehand]", "which (operating systems|linux|distributions|linux versions|os|distro) (are|is|do|does) (supported|work|it support|ok|fine)",
            "does it (work|run) on (ubuntu|debian|fedora|windows|mac|macos|centos|arch|alpine|red hat|arm|raspberry pi|linux)", "can <a> <machine> (run|be|use) (windows|macos|ubuntu|debian|alpine|arm|linux)", "(is|are) (windows|mac|ubuntu|debian|fedora|linux|arm|macs) (supported|ok|enough|possible) [as <a> <machine>]", "do I (need|have) (sudo|root|admin rights|administrator rights|docker|python|cuda|to install anything) on (the|a|my|other) (machine|machines|server|other computers)",
            "what (are|is) the (system |minimum |hardware |)requirements", "which (glibc|version of linux|ubuntu version|debian version) (is|do i) (needed|need|required)", "does <a> <machine> need (python|docker|node|cuda|root|sudo|internet|ssh)", "what should I install on (the|my|other) <machines>", "will <app> (work|run) (on|with) (my|an old|a 32 bit|a windows) (server|machine|computer|pc)", "it says the <machine> (is not supported|cannot run the worker|is unsupported)", "machine unsupported", "glibc (too old|version|is too old)", "musl (is not|) supported",
        ],
    },
    "add-machine": {
        "do": ["<add> <a> <machine>", "<add> <a> <machine>", "<add> (two|more|several|additional|new|other|three) <machines>", "<add> <a> <machine> (over|via|through|with|by) ssh", "connect to <a> <machine> [over ssh|with ssh]", "make <L> use <a> <machine>", "use <a> (second|another|other|remote) (machine|computer|pc|server)", "get (my|another|a second) <machine> into <L>", "(enter|type|give) the address of <a> <machine>", "tell <app> about <a> <machine>", "extend the cluster", "(grow|enlarge|expand) (my|the) (cluster|setup|pool)", "put (my|another) <machine> (in|into) the list"],
        "about": ["adding <a> <machine>", "adding <machines>", "the add machine (button|dialog|form)", "machines add", "connecting <a> <machine>", "the command (to add|for adding) <a> <machine>", "setting up (another|a new|a second) <machine>"],
        "ask": [
            "how (is|does|do) <a> <machine> (get added|added|connected)", "(I have|I've got|i bought|there is|i own) (a second|another|a new|one more|a remote|two more|an extra) (machine|computer|pc|server|box|gpu server), how do I (add|use|connect) it", "where (can|do) I (add|enter|register|connect) <a> <machine>", "(I want|I'd like|i need) <L> to use <a> (second|other|another) (machine|computer|server|pc)",
            "what (do|should) I (type|enter|write) (as|for) the address", "what (is|comes|goes) (in|into) the address field", "lanyard machines add", "how can (my|the) (other|second) (computer|machine|pc) help [running the model]", "which (button|command) adds <a> <machine>", "new machine, how", "can (I|you|it) (add|use|connect) (more|another|several|a second) (machine|machines|computers|server|servers|pc)",
        ],
    },
    "find-machines": {
        "do": ["(find|discover|search for|look for|detect|locate) (machines|computers|hosts|servers|my machines|other computers|other machines|devices on the network)", "(find|discover|detect) (my|the|other) <machines> (on|in) (my|the) <net>", "scan (the|my|a) (network|subnet|lan)", "(run|start|do) a (network|) scan", "see (which|what) <machines> are (on|in) (the|my) <net>", "list (machines|computers) (on|in) (the|my) <net>", "(use|turn on|trigger) (auto discovery|autodiscovery|discovery|mdns)", "search (the|my) <net> [for <machines>]"],
        "about": ["scanning", "network (scan|scanning|discovery)", "the scan (button|command|report)", "(machine|automatic|auto) discovery", "found on your network", "mdns [discovery]", "machines scan", "finding <machines>"],
        "ask": [
            "does <app> (find|discover|detect|see) (machines|computers|my machines|them|other machines|hosts) (automatically|by itself|on its own|alone)", "(does|will) <app> scan (my|the) <net>", "(why|how come) (does|is) (it|Lanyard|the list) (not find|empty|not see|not show) [any|my] (machines|machine|computers|anything)", "(no|zero) machines (found|are found|were found|show up|appear)", "(my|the) <machine> (is not found|does not show up|is not in the list|doesn't appear|was not discovered)",
            "(what|which) (ports|port|addresses) (does|are) (the scan|scanned|it scan) [use|try]", "will <app> (probe|search|scan) (my|the|our) (company|office|home|) network (without asking|secretly|by itself)", "where do the (found|listed|suggested) machines come from", "how does <app> (know|learn) (which|what|about) machines (exist|there are|are there)", "is scanning (allowed|safe|automatic|dangerous)", "(mdns|bonjour|zeroconf|avahi)", "i (don't|do not) know the (ip|address) of (my|the) <machine>", "what is the (ip|ip address) of (my|the other) <machine>",
        ],
    },
    "host-key": {
        "do": ["(check|verify|confirm|compare|accept|trust) (the|a) (host key|fingerprint|ssh key of the machine|key fingerprint)", "know (that|whether|if) (it is|I reach) the right machine", "answer the (host key|fingerprint|trust) question", "see the fingerprint (of|on) <a> <machine>"],
        "about": ["(the|a) host key", "host keys", "(the|a|this) fingerprint", "the (question|dialog|warning|prompt) about the host key", "the SHA256 (thing|code|string|fingerprint) [it shows]", "trust and remember", "host key (verification|checking|confirmation)", "just this once", "the first time connecting (question|message|dialog)"],
        "ask": [
            "what (is|are) (a|the|this|these) host (key|keys) [for|about]", "(why|what for) does <app> (ask|show|want) (me about|me|) (a|the) (fingerprint|host key|key|trust question)", "should I (trust|accept|confirm) (it|the key|the host key|this machine|the fingerprint|this fingerprint)", "it (asks|says|wants to know) (whether I trust|if I trust|first time connecting|about a fingerprint)", "what (do|should|must) I (answer|click|press|choose) (when|if) it (asks about|shows) (the host key|a fingerprint|the fingerprint)",
            "how (can|do) I (know|tell|be sure) (that|) (the fingerprint|the host key|the key|it) is (right|correct|genuine|real)", "where (do|can) I (find|get|see) the (fingerprint|host key) [of (the|my) machine]", "is it safe to (accept|trust) (the|this) (host key|key|fingerprint)", "what does trust and remember (do|mean)", "difference between trust and remember and just this once", "ssh-keygen (command|fingerprint)", "unknown host key", "host key unknown", "compare (the) fingerprint[s]",
        ],
    },
    "host-key-changed": {
        "do": ["(fix|solve|accept|handle|resolve|get past) (a|the) (changed|different|new|other) (host key|fingerprint)", "(connect|sign in) (after|when) (the|a) host key (changed|has changed)", "use <a> <machine> again after (reinstalling|a reinstall of) (it|linux|the system)"],
        "about": ["(a|the) changed (host key|fingerprint)", "the host key changed (error|message|warning)", "the man in the middle (warning|message)", "host key changed"],
        "ask": [
            "(the|my) host key (has changed|changed|is different|is not the same|does not match)", "<why> (was|is) (the|my) (host key|fingerprint) (refused|rejected|different now)", "(it says|error:|message says|lanyard says) (the|) host key (of my machine|) (changed|has changed|mismatch)", "(I|we) reinstalled (the|my) (machine|server|computer|system|os) [and (now|) (it is refused|the key is wrong|lanyard refuses it|it complains)]", "(the|a) (fingerprint|key|host key) (is|looks) (different|not the same|another) (now|than before|from last time)", "what (if|happens when|happens if) (the|a) host key changes", "somebody may be (between|in the middle)", "is somebody (attacking|intercepting|between) (me|us|my connection)", "man in the middle", "key mismatch", "(why does|) <app> (refuse|refuses) (my|the) <machine> (because of|due to) (the|a) (key|host key)", "what (do|should) I do (if|when) the (host key|fingerprint) (changed|is different|changes|differs)", "remote host identification has changed", "<machine> was reinstalled",
        ],
    },
    "sign-in": {
        "do": ["(sign in|log in|authenticate) [to <a> <machine>] (with|using) (a password|a key|a key file|my key|an ssh key|the agent|ssh agent|a passphrase|a private key)", "(use|specify|give|name|choose|set) (a|my|another) (key file|ssh key|private key|identity|identity file|key|password)", "(sign in|log in|authenticate) [to <a> <machine>]", "(give|enter|use) (a|the|my) password [for <a> <machine>]"],
        "about": ["(passwords|keys|ssh keys|credentials|key files|the ssh agent|private keys|passphrases) [in <L>]", "(signing in|login|authentication|ssh login|sign-in)", "the (key file|identity|password) (field|option)", "(passwords|password) and keys", "ssh authentication", "id_ed25519"],
        "ask": [
            "(which|what) (key|keys|credentials|ssh key) (does it|does lanyard|is|are|will it) (use|used|try|tried)", "(is|are|will) (my|the) (password|passwords|credentials|private key|ssh key|key) (be |)(stored|saved|kept|sent|remembered|safe|uploaded|copied)", "does <app> (store|save|keep|remember|send|copy|upload) (my|the) (password|passwords|key|private key|credentials)", "do I need (an ssh key|a key|a password|ssh keys) [or a (password|key)]", "can I (use|sign in with|log in with) (a|my) (password|ssh key|key|passphrase|ssh agent|yubikey) [instead of a (key|password)]", "where (is|are) (my|the) (password|passwords|private key|keys) (stored|kept|saved)", "does (my|the) (private key|ssh key) leave (my|this) (computer|machine|pc)", "how does <app> (sign in|log in|authenticate) [to (machines|my machines|the machines)]", "what about (my|) (ssh keys|passwords|private keys)", "do I have to (type|enter|give) (a|my|the) password (every time|again|each time)", "(my|the) key (has|is protected with|needs) a passphrase", "does it use (the|my) ssh (agent|config)",
        ],
    },
    "what-is-installed": {
        "do": ["(see|find out|know) what (is|gets|was) installed [on <a> <machine>]"],
        "about": ["what (is|gets|will be) installed [on (a|the|my|other) <machines>]", "the worker", "the (worker|agent) [program|process|software]", "(the|) ~/.lanyard [folder]", "the (folder|files|stuff|software) [that <L> (puts|leaves|installs)] on (the|a|my) (machine|machines|server)", "changes to (my|the) machines"],
        "ask": [
            "what (is|gets|will be|does it|does lanyard) (installed|install|put|copied|copy|change|changed|written|write|placed) [on (a|the|my|other) (machine|machines|server|servers|computer|remote)]", "what (does|will) <app> (do to|install on|put on|change on|leave on|copy to) (my|the|other|a) <machines>", "does <app> (need|use|require|want) (sudo|root|admin rights|a system service|docker) to install", "where (is|are|does) (the worker|files|it|the shards|shards) (installed|put|live|stored|kept|go) [on (the|a|my) machine]", "does <app> (change|modify|touch|break|mess with) (anything|something|my system|the system|system files) [on (the|my) (machines|server)]", "what is (in|inside) ~/.lanyard", "what is (that|the) (worker|worker process|lanyard folder)", "does it open (a|any) port[s] on (the|my) (machines|machine|server)", "is (anything|something|software) installed (on|system wide on) (the|my|other) (machines|machine|server)", "(will|does) it leave (anything|traces|files) (behind|on the machine)", "how (big|invasive|intrusive) is the (worker|installation)", "is it safe to (install|put) (it|the worker|lanyard) on (my|a|the) (server|machine|company server|work computer)", "what (software|program) runs on the (other|remote) (machines|machine|computer)",
        ],
    },
    "remove-machine": {
        "do": ["<remove> <a> <machine>", "<remove> <a> <machine>", "<remove> (some|old|all|these|two|my|unused|the other) <machines>", "<remove> <a> <machine> from (the list|Lanyard|the app|my setup|the cluster|here)", "make <app> forget <a> <machine>", "forget <a> <machine>", "clean up <a> <machine>", "(delete|clean|wipe) (the|) (lanyard folder|~/.lanyard) [on <a> machine]", "uninstall the worker [from <a> <machine>]", "undo adding <a> <machine>"],
        "about": ["removing <a> <machine>", "machines remove", "the remove (button|command) [for <machines>]", "forgetting <a> <machine>", "<remove>ing <a> machine", "deleting <a> <machine>", "the forget (option|it button)"],
        "ask": [
            "(I|we) (no longer|don't|do not) (need|want|use|have) (a|the|this|that|my) (machine|server|computer|box) [any more|anymore]", "(i sold|i gave away|i am giving back|goodbye to) (a|the|my|one) <machine>", "what happens (when|if) I (remove|delete) <a> <machine>", "(is|does) (everything|anything|something|it) (deleted|left|removed|stay|remain) (when|after|if) I remove <a> <machine>", "(cannot|can't|unable to) remove (a|the|my) machine", "lanyard machines remove", "which command (removes|deletes) <a> machine", "how (is|does) <a> machine (removed|get removed|leave)", "(machine|server|computer) (removal|remove|delete)", "(get|take) (this|that|the) <machine> (out of here|off the list|out)", "how do I take <a> <machine> (away|out) again",
        ],
    },
    "this-computer": {
        "do": ["use (this|my own|the local) (computer|machine|pc) [as a machine]", "run (a|the|) model[s] (on|with) (this|my own|the local|only this) (computer|machine|pc|laptop)", "(remove|hide|delete) this computer [from the list]", "(name|write|address|refer to) this computer (on|in) the (command line|shell)"],
        "about": ["this computer [in the list]", "the local machine", "(the name|) this [on the command line]", "this:cpu", "my own computer in the list", "localhost as a machine"],
        "ask": [
            "(can|does|is|will) (this computer|my own computer|the local machine|my own pc|the computer I am on|localhost) [also] (be used|count|be a machine|work|run models|take part|listed|help)", "why is this computer [already] (in the list|there|listed|shown)", "(can|could) I (remove|delete|hide) this computer", "(can't|cannot|why can't I) remove this computer", "what does this mean in --on this", "do I need (ssh|an ssh server) on (this|my own|the local) computer", "is (my|this) (own|) (computer|pc|laptop) (part of it|used too|a machine too|one of the machines)", "(can|does) it (work|run) with (just|only) (one|this|a single) (computer|machine|pc)", "do I need (other|more|several|additional) <machines> [at all]", "what if I (only|just) have one (computer|machine|pc)", "does <L> run (here|locally) (too|as well|also)", "local machine", "what is the name of this computer on the command line",
        ],
    },
    "machine-away": {
        "do": ["reconnect (to|) <a> <machine>", "bring <a> machine (back|back online)", "connect [to] <a> <machine> again", "(fix|get back) <a> (machine that is away|machine that is offline|lost machine|offline machine|disconnected machine)"],
        "about": ["the state away", "(away|offline) [machines|state]", "connect again", "(a|the) (lost|broken|dropped) connection [to <a> machine]", "a machine that (is away|went away|went offline)"],
        "ask": [
            "what does away mean", "(my|a|the|one) <machine> (is|shows|shows as|went|shows up as|says) (away|offline|disconnected|gone|not connected)", "<why> is (my|the|a|one of my) <machine> (away|offline|disconnected|gone)", "(the|my) connection to (a|my|the) <machine> (is lost|was lost|dropped|broke|is gone|keeps dropping)", "(i|we) (restarted|rebooted|switched off|turned off|suspended) (the|a|my) (machine|server|computer) [and now it is (away|gone|offline)]", "what happens (when|if) <a> <machine> (reboots|restarts|is switched off|loses power|sleeps|goes to sleep|goes offline|disappears)", "does <app> reconnect (automatically|by itself|on its own|after a reboot)", "(machine|server|computer) (went|gone|is) (to sleep|asleep|offline|away)", "lost (the|my) connection", "connect again (does not|doesn't) work", "machine away", "last seen (an hour|5 minutes|2 days) ago",
        ],
    },
    "choose-model": {
        "do": ["(choose|pick|select|decide on|find) (a|the right|the best|a good|a suitable) <model>", "know which <model> (to use|is best|I need|fits me|is right)", "decide (which|what) <model> to (use|take|run)"],
        "about": ["choosing a <model>", "(a|the) (good|best|right|recommended|suitable) <model> [for (me|my machines|16 GB|24 GB|my hardware)]", "model (recommendations|recommendation|choice|sizes|size)", "how big a <model> (can|may|should) be"],
        "ask": [
            "(which|what) <model> (should|do|can|could|would) (I|you|we) (use|run|pick|choose|take|recommend|get|try|start with|suggest)", "(which|what) <model> (is|are|would be) (best|good|right|recommended|suitable|the best) [for (me|chat|coding|my machine|my machines|8 GB|24 GB|this hardware)]", "(recommend|suggest) [me] (a|some|any) <model>", "how (big|large|many parameters) (can|may|should) (a|my|the) <model> (be|have)", "how much (memory|vram|ram) does (a|an) (7b|8b|13b|14b|30b|32b|70b|72b|) model (need|take|use|require)", "(can|could) I run (a|the) (7b|8b|14b|30b|32b|70b|72b|100b|405b) [model]", "what size (of|) model (can I run|fits|should I pick|is ok)", "chat or base (model|version)", "(base|instruct|chat) (or|vs) (base|instruct|chat) (version|model|)", "what is an instruct (model|version)", "i have (16|24|32|48|64|96) GB, (which|what) model (fits|can i run|should i choose)", "gb per billion parameters", "(is|are) (bigger|larger|smaller) models better",
        ],
    },
    "add-model": {
        "do": ["<add> (a|the|my|another|) <model> [folder]", "(import|add|load|put) (a|my|the|some) <model> [folder] (into|to|in) (the library|Lanyard|it)", "(add|import|use) (a|my) (folder|directory) (with|of|containing) (a|) (model|weights|safetensors)", "(enter|give|type) the (path|folder) of (a|the|my) model", "(use|add) (my|our) own <model>", "get (a|my) <model> into (the library|lanyard|the list)", "use a model (that I have|I downloaded|from my disk|on my disk)"],
        "about": ["adding (a|) <model>", "models add", "the model folder", "adding (a|) model (folder|folders)", "importing (a|) <model>", "the add a model (button|dialog|form)", "the (model|) library"],
        "ask": [
            "where (do|can|should) I (add|put|enter|import|place) (a|my|the) <model> [files]", "what (must|should|has to) (be in|be inside|contain|a) (the|a) model folder [contain]", "(which|what) files (does|do|must) (a|the) model (folder|) (need|have|contain)", "is (my|the) model (copied|moved|uploaded|changed) [when I add it]", "does (adding|importing) a model (copy|move|upload) (the|its|any) files", "(I|i've) (have|got|downloaded) a <model> [on my disk|on disk|in a folder], (what now|how do I add it|how do i use it|now what)", "(the|my) (library|model list|model library) is empty", "lanyard models add", "which command adds a model", "(can|may) (the|my) model (stay|be|lie) (on|in) (another disk|an external drive|a nas|its folder|where it is)", "where are (the|my) models (stored|kept|saved)", "how do (new|more) models get (in|into) (here|the list)", "(from|) which (folder|path|directory)",
        ],
    },
    "supported-models": {
        "do": ["(see|know|find out) which <models> (are supported|work|run)", "(run|use|serve|load) (llama|qwen|mistral|gemma|phi|mixtral|deepseek|falcon|qwen3|gemma 3|llama 3|phi-3|gpt-oss|mamba|bloom) [here|in lanyard|with this|models]"],
        "about": ["(supported|compatible) (models|model families|architectures|families)", "model (families|architectures|support|compatibility)", "the list of (supported|) (models|architectures|families)", "(llama|qwen|mistral|gemma|phi|mixtral|deepseek|moe|mixture of experts) (support|models|model)"],
        "ask": [
            "(which|what) (models|model families|architectures|families|model types|LLMs|kinds of models) (are|do|does|can|will) (supported|work|run|it support|you support|lanyard support|be used|it run|run here|I use)", "(does|will|can) (it|lanyard|this app|this) (support|run|work with|handle|serve|load|do) (llama|qwen|mistral|gemma|phi|mixtral|deepseek|falcon|qwen3|gemma 3|llama 3|mixture of experts|moe models|phi-3|gpt-oss|mamba|bloom|chatglm|yi) [models]", "(is|are) (llama|qwen|mistral|gemma|phi|mixtral|deepseek|falcon|moe|llama 3|qwen 2.5) [models] (supported|ok|possible|working|compatible|runnable)", "(the|my|this) (architecture|model|model type) is not supported", "unsupported (model|architecture)", "(it says|error:) (the|) architecture (is not supported|not supported|unknown)", "<why> is my model (refused|not supported|rejected)", "can I use (any|every|all|arbitrary) (model|models)", "model (unsupported|not supported)", "(llama|qwen|mistral|gemma|phi|mixtral|deepseek)", "does (llama|qwen|mistral|gemma|phi|mixtral) work",
        ],
    },
    "formats": {
        "do": ["(use|load|add|read|run|open) (a|) (gguf|ggml|awq|gptq|fp8|pytorch|bin|onnx|quantised|quantized|safetensors) (file|model|checkpoint|files)", "convert (a|my) (model|gguf) (to|into) safetensors"],
        "about": ["(file|model|supported|weight) (formats|format)", "(safetensors|gguf|awq|gptq|fp8|quantised checkpoints|quantized models)", "(gguf|awq|gptq|onnx|safetensors|bin) (support|files|models)", "the (right|best|safest) format", "file types"],
        "ask": [
            "(which|what) (file|model|weight|) (format|formats|file types|file type) (are|is|do|does|should) (supported|it read|it support|work|needed|best|the model have|read|accepted)", "(does|can|will) (it|lanyard|the app|this) (read|load|support|open|use|take|accept|run) (gguf|ggml|awq|gptq|fp8|onnx|pytorch bin|pickle|quantised|quantized|safetensors|bf16|fp16) [files|models|checkpoints]", "(is|are) (gguf|awq|gptq|safetensors|fp8|onnx|quantised|quantized) [files|models] (supported|ok|possible|allowed|readable)", "must (it|the model|the weights) be safetensors", "can I use (a|my) (gguf|ollama|llama.cpp|awq|gptq|quantized|quantised) (model|file|models|files)", "(my|the) (model|file) is (a gguf|quantised|quantized|in gguf|in awq|stored as int8|a .bin|a .pt file)", "what is safetensors", "do I have to convert (the|my) (model|file)", "why is (my|the) (format|file|quantised model|gguf) (refused|rejected|not read)", "(.gguf|.bin|.pt|.safetensors) file[s]", "bf16 or (f16|fp16|f32)",
        ],
    },
    "remove-model": {
        "do": ["<remove> (a|the|my|an old|this|) <model> [from (the library|Lanyard|the list|the models)]", "take (a|the) <model> out of the library", "clean up (the|my) (library|model library|model list)", "(unregister|unlist|forget) (a|the|this) <model>", "undo adding a model"],
        "about": ["removing (a|) <model>", "models remove", "deleting (a|) <model>", "the remove button [beside a model|for models|under models]", "model (removal|deletion)"],
        "ask": [
            "what happens (when|if|to the files when) I (remove|delete) (a|the) <model>", "(are|will) (the|my|its) [model] files (be |)(deleted|removed|gone|lost|kept) (when|if) I remove (a|the|it from the library|my) [model]", "does removing (a|the) model (delete|erase) (the|its) (files|weights|folder)", "(I|we) (don't|no longer|do not) (need|want|use) (a|the|this|that|my) <model> [any more|anymore]", "(cannot|can't|unable to) remove (a|the|my) model", "lanyard models remove", "which command (removes|deletes) a model", "how do I free (disk space|space) (from|used by) (a|old) model[s]", "(get|throw) (this|that|the|an old) <model> (out of the library|off the list|away)", "too many models in (the|my) (library|list)",
        ],
    },
    "download-model": {
        "do": ["(download|get|obtain|fetch|pull) (a|the|some|new|more) (model|models|weights|llm|model files|checkpoint)", "(download|get|fetch|pull) (a|) model[s] from (hugging face|huggingface|the hub|the internet|modelscope|a website|hf)"],
        "about": ["(downloading|getting|obtaining) (a|) (model|models|weights)", "(hugging face|huggingface|modelscope|the hub) [downloads|models|support]", "model (downloads|download|sources)", "a model (hub|store|catalogue|catalog)"],
        "ask": [
            "where (do|can|could) I (get|find|download|obtain) (a|the|some|good|more) (model|models|weights|llm|model files)", "(does|can|will) (it|lanyard|the app|this) (download|fetch|pull) (a|) (model|models|weights|them|anything) [for me|automatically|itself|from hugging face|from the internet]", "where do (the|) (models|weights) come from", "(is|are) there (a|any) model[s] (store|included|hub|built in|to download)", "how do I (get|download) (llama|qwen|mistral|gemma|deepseek)", "can I (type|enter|give|use) a (hugging face|hub) (id|name|link|url)", "(which|what) (website|site) (has|offers) models", "does it come with (a|any) (model|models|weights)", "hugging face", "no model[s] (yet|at hand|on my disk)", "(i have|there is) no model[s] [yet], where (do i get one|from)", "need a model (from somewhere|first)", "model download",
        ],
    },
    "memory-fit": {
        "do": ["(know|see|check|find out|tell|test) (if|whether) (it|a model|the model|my model) (fits|will fit|fits in memory|fits my machines)", "(see|find out|know|check) how much memory (a|the|my) model (needs|takes|uses)", "(calculate|estimate|compute) (the|) memory [use|needed|requirement]"],
        "about": ["memory [use|usage|requirements|needs]", "(the|) (vram|ram|kv cache|workspace) [usage|memory]", "free memory", "memory (of|in) (the|a) plan", "the (bars|memory bars|memory numbers) (in|of) the plan", "fitting (a|) model[s] (in|into) memory"],
        "ask": [
            "(does|will|would|can) (it|my model|the model|this model|a 14b model) fit [in memory|on my machines|into memory|on my gpu|here]", "how much (memory|vram|ram) (does|will|do) (it|I|the model|my model|this) (need|take|use|require)", "do I have enough (memory|vram|ram|gpu memory)", "is (my|the|8 GB|16 GB|24 GB of) (memory|vram|ram) (enough|sufficient)", "where (can|do) I see (the|how much) memory [(it|a model) needs]", "what (uses|takes|eats|needs) (the|all the|so much) (memory|vram|ram)", "what is (the|a) (kv cache|workspace) [for]", "how (is|does it calculate|is the) memory (calculated|computed|checked|planned|use)", "(enough|sufficient) memory", "will (this|it|that) run on (my|8 GB|16 GB|these) (machines|gpu|card|laptop|machine)", "how (do I know|can I tell) (what|if something) fits",
        ],
    },
    "plan": {
        "do": ["(see|make|get|read|understand|show|create) (a|the) plan", "(see|know|preview) what (would happen|will happen|it would do) before (starting|I start|deploying)", "(see|predict|know|estimate) (the|how fast|how) (speed|it will be|tokens per second) before (starting|I start)", "simulate a deployment [without starting it]"],
        "about": ["(the|a) plan", "plans", "(the|) (plan|planner|planning)", "the (plan|deploy) (page|view|screen|preview)", "the predicted (speed|time)", "(the|) (alternatives|warnings|explanation) (in|of) the plan", "lanyard plan"],
        "ask": [
            "what (is|does) (a|the) plan [mean|say|tell me|show|for]", "what does lanyard plan do", "(can|could|may) I (see|preview|check) (it|what happens|the split|everything) (before|without) (starting|start|deploying)", "how (does|do) <app> (decide|know|plan|choose) (which devices|where|what runs where|who does what)", "is (anything|something) (started|sent|done) (while|when) (planning|i make a plan)", "how (accurate|good|exact) (is|are) the (predicted speed|prediction|predictions|plan)", "where does the (predicted|estimated) speed come from", "dry run", "what (happens|is going to happen) (before|when) I press start", "which command shows (the|a) plan", "how fast will (it|the model|my model) (be|run)", "predicted (tokens per second|tok/s|speed)",
        ],
    },
    "splitting": {
        "do": ["(split|divide|distribute|spread|shard|cut|share) (a|the|my|one|a big|a large) <model> (over|across|between|among|on) (machines|several machines|two machines|my machines|several gpus|all devices|computers|multiple gpus)", "(split|divide|distribute|spread|shard) (a|the|one|my) <model>"],
        "about": ["tensor parallel[ism]", "(splitting|sharding|distributing|dividing) (a|the|) <model>", "(a|the|) (shard|shards|split)", "(a|the|) rank[s]", "all-reduce", "parallelism", "how (a|the) model is split", "pipeline parallelism", "the way models are (split|divided|distributed)"],
        "ask": [
            "how (is|does|are|do) (a|the|my|) <model> (split|get split|divided|distributed|cut|spread|shared) [over|across|between] [several|two|my|the|] [machines]", "how does (the|) (splitting|split|sharding|tensor parallel|tensor parallelism|distribution) work", "what is (a|the|an) (shard|rank|tensor parallel|split|all-reduce|all reduce)", "what does (tensor parallel|rank|shard|all-reduce|all reduce|sharding) mean", "(does|do|will) (each|every) <machine> (get|need|have|store|receive) (the whole|all of the|a full|the entire|a copy of the) model", "(which|what) part[s] of the model (does|do|goes) (each|every|a) (machine|gpu|device|machines) (get|have|hold|where)", "how do (the|several|two) machines (work together|cooperate|share the work|run one model)", "pipeline or tensor parallel", "is it (tensor|pipeline) parallel", "(what|how much) (is|of the model is) sent to (each|every|the) machine[s]", "how can (several|two|many|multiple) (machines|computers|gpus) run one model", "is the (model|work) (divided|split) (by|in) layer[s]", "attention heads (split|shared|divided)",
        ],
    },
    "uneven-shares": {
        "do": ["(set|change|choose|adjust|give|enter|use) (the|) (shares|uneven shares|unequal shares|share|a ratio|weights per machine) [by hand|manually|myself]", "(give|assign) (one|a|the) (machine|gpu|device|computer) (more|less|a bigger part|a smaller part) (work|of the model|of the work|than the other|)", "(use|mix|combine) (different|unequal|unlike|uneven|two different) (gpus|machines|cards|computers|devices)", "split (unevenly|unequally|3 to 1|in a ratio|by ratio)"],
        "about": ["(uneven|unequal|different) shares", "shares", "(the|) --shares [option]", "share ratio[s]", "measured (or|and) by hand", "(an|) (uneven|unequal) split", "(mixing|mixed|different) (gpus|hardware|cards|machines)"],
        "ask": [
            "(can|could|may) (the|my) (machines|gpus|cards|devices|computers) be (different|unequal|of different size|unlike|of different speed)", "(my|one of my|the) (machines|gpus|cards|computers) (are|is|have) (not equal|different|unequal|much faster|slower|different memory|weaker|stronger) [than the other[s]]", "do (the|all|my|both) (machines|gpus|cards|computers) (have|need) to be (equal|the same|identical|equally fast)", "how (are|does it set|do) (the|) shares (set|computed|chosen|decided|work)", "what (are|is) (the|a|) (shares|share|uneven shares|unequal shares|3:1)", "one (gpu|card|machine) (has|is) (more memory|faster|bigger|slower|smaller|24 GB) [and|,] [the] other (has|is) (less|slower|smaller|faster|12 GB|8 GB)", "who (gets|does) (how much|more|most) [of the] (work|model)", "what does --shares 3:1 (do|mean)", "<why> does (one|this|the first) (machine|gpu|rank) (get|have|do) (more|less|most of the work|a smaller part)", "unequal (gpus|cards|machines|memory)", "can I (mix|combine|use) (a|an) (3090|4090|3060|a6000|old|new) (and|with) (a|an) (3090|4090|3060|old|new) [card|gpu]", "is the work (split|divided|shared) (equally|evenly|fairly)",
        ],
    },
    "slower-with-two": {
        "do": ["make two machines faster (than one|)", "know (if|whether) (one|two|more) machine[s] (is|are) faster"],
        "about": ["(two|several|more) machines being (slower|slow)", "why (two|more|several) (machines|gpus|computers) (are|can be) (slower|not faster)", "the (slowdown|loss of speed) with (two|several|more) machines"],
        "ask": [
            "<why> (is|are|can|could|does|do) (it|two machines|two computers|more machines|two|two gpus|both machines together|several machines) [be|get|run] <slow> [than one|than a single one|with two|with more machines]", "(it is|it's|speed is|its) <slow> (with|on|over|using) (two|2|more|several|three) (machines|computers|gpus|boxes|servers) [than with one]", "(i|we) added (a second|another|one more) (machine|computer|gpu) and (it|now it|everything) (is|got|became) <slow>", "(are|is) (two|more|several) (machines|computers) always faster", "(do|does|will) (more|two|additional|extra) machines (make it faster|speed it up|help|mean more speed|double the speed)", "should I use (one|two) (or|instead of) (one|two|more) machines", "one machine (or|vs|versus) two", "does adding (machines|a machine|another machine) (increase|improve|help|make) (the|) (speed|performance|it faster)", "when (is|are) (one|two) machine[s] (better|faster)", "is one (machine|computer|gpu) (better|faster) than two", "why (not|isn't it) (twice|double|2x) (as fast|the speed) [with two (machines|gpus)]", "distributed (is|runs) <slow>", "<why> (is|are) my (tokens per second|tok/s|speed) (low|bad|halved|lower) with two (machines|computers)", "multi machine (is|performance) <slow>",
        ],
    },
    "network-speed": {
        "do": ["(connect|wire|cable|link) (the|my|two) machines [best|properly|to each other]", "(improve|speed up|measure|increase) (the|my) network [speed|between the machines]"],
        "about": ["(the|) network [speed|requirements|bandwidth|latency|connection]", "(ethernet|wifi|wi-fi|wlan|cables|10 gbit|1 gbit|gigabit|infiniband|thunderbolt|a switch)", "bandwidth (and|or|between) [latency|machines]", "the (speed|latency) (of|between) (the|) (network|machines)"],
        "ask": [
            "(which|what|what kind of) network (do I need|speed|is needed|is required|connection|should I use|is best)", "how fast (must|should|does) (the|my) (network|ethernet|lan|connection) (be|have to be|need to be)", "(is|will|does) (wifi|wi-fi|wlan|gigabit|1 gbit|gigabit ethernet|2.5 gbit|10 gbit|100 mbit|a powerline adapter|my network) (enough|ok|fast enough|work|good enough|too slow|sufficient|needed|supported)", "can I (use|run it over|connect them over|do it with) (wifi|wi-fi|wlan|gigabit|the internet|a vpn|thunderbolt|powerline)", "(does|do) (the|) (network|latency|bandwidth|cable|switch) (matter|limit it|count|make a difference)", "do I need (10 gbit|10g|fast|infiniband|special|wired|cable) (ethernet|network|network cards|networking|hardware)", "how much (data|traffic|bandwidth) (does it|is|goes) (send|use|sent|over the network|need) [per token]", "(wired|cable) or (wireless|wifi)", "latency or bandwidth", "should I (buy|get) (a faster switch|10 gbit cards|a better router|a 10g switch)", "what (network|ethernet) cable", "my (network|lan|wifi) is slow",
        ],
    },
    "cpu-only": {
        "do": ["(run|use|serve|start) (a|the|) (model|it|lanyard|models) (without a gpu|on the cpu|on cpu|without graphics card|with only a cpu|on a cpu only)", "(use|choose) the cpu [instead of (a|the) gpu]"],
        "about": ["(running|) (cpu only|without a gpu|on cpu|cpu mode|cpu inference)", "(the|) cpu [as a device|speed|support]", "(avx2|avx512|avx-512|amx|avx) [support|instructions]", "machines without (a|) gpu"],
        "ask": [
            "(do I|do we|does it|does lanyard|is it) (need|require|necessary to have) (a|an) (gpu|graphics card|nvidia card|nvidia gpu|video card)", "(can|does|will) (it|lanyard|the app|a model) (run|work|be used) (without|with no) (a|any) (gpu|graphics card|gpus|nvidia card)", "(i|we) (have no|don't have a|do not have a|have only a cpu, no) (gpu|graphics card|video card) [, is that (ok|a problem)]", "(is|will) (a|the|my|) cpu (enough|ok|work|sufficient|supported|be enough)", "how (slow|fast) is (it on|the|a) cpu", "<why> is (the|my) cpu (slow|slower) [than a gpu]", "(does|can) (it|lanyard) (run|work) on (a|an|my) (laptop|cpu|old pc|intel cpu|amd cpu|ryzen|mini pc|nas) [without a gpu]", "no (gpu|graphics card)", "only (a|) cpu", "gpu (needed|required|necessary|mandatory)", "does it use (avx|avx2|avx-512|amx)", "is a (gpu|graphics card) (mandatory|required|needed|necessary|a must)",
        ],
    },
    "gpu": {
        "do": ["(use|choose|select|enable) (my|a|the|two|both) (gpu|gpus|graphics card|nvidia card|cuda)", "(see|check|show|list) (my|the|all) (gpus|gpu|graphics cards|gpu driver)", "(run|put) (a|the|) model (on|onto) (the|my|a) gpu"],
        "about": ["(gpus|gpu support|cuda|nvidia|gpu use|gpu engine|cuda support)", "(using|) (my|the|a) (gpu|gpus|graphics card)", "(amd|intel|nvidia|radeon|geforce|rocm|apple) (gpus|gpu|cards|support)", "(the|) (nvidia|gpu) driver", "gpu0"],
        "ask": [
            "(does|can|will) (it|lanyard|the app|this) (use|support|detect|see|find|work with|run on) (my|a|the|) (gpu|gpus|nvidia|cuda|graphics card|rtx 3090|rtx 4090|amd gpu|amd|radeon|apple gpu|nvidia card)", "<why> is (my|the) (gpu|graphics card|rtx|nvidia card) (not used|not found|not detected|idle|not shown|unused|missing)", "(my|the) (gpu|graphics card|card) (is not used|is not found|does not show up|isn't detected|sits idle|is idle|cannot be used)", "(is|are) (cuda|nvidia gpus|amd gpus|gpus|my rtx|rocm) (supported|used|needed|working|ok)", "(which|what) (gpus|graphics cards|cuda version|driver|nvidia driver) (are|is|do I|does it) (supported|needed|need|work)", "this build has no gpu engine", "no gpu engine", "how does (it|lanyard) find (gpus|the gpus|my gpu)", "nvidia-smi (not found|shows nothing|)", "can I use (two|several|multiple|more) gpus in one machine", "gpu (not used|cannot be used|missing|not detected)", "why (does it|is it) (use|using) (the|my) cpu (and not|instead of) (the|my) gpu",
        ],
    },
    "start-deployment": {
        "do": ["<start> (a|the|my|) <model>", "<start> (a|the|) <model> (on|over|across) (two|several|my|both|three|these) machines", "(create|make|start|begin) (a|the|new) deployment", "(make|get) (a|the) <model> (available|ready|running|going|serving|work|online)", "serve (a|the|my|) <model>", "(put|get) (a|the) model online", "<start> (a|the) <model> (again|now|on this computer|here)", "(start|launch) (something|one|it) under deploy"],
        "about": ["(starting|creating) (a|) deployment", "(a|the|) deployment[s]", "lanyard serve", "the deploy (screen|page|tab)", "(serving|launching|running|deploying) (a|) <model>", "the start button", "the command (to serve|for serving|to start) a model"],
        "ask": [
            "what is a deployment", "how (is|does|do) (a|the|) <model> (started|get started|served|deployed|launched|start running)", "where (do|can) I (start|run|launch|deploy|serve) (a|the|my) <model>", "(I have|i've) (added|a) (a|my|) model [and|,] (how do I start it|how do I run it|now i want to run it|how can i use it now)", "(my|the) model is in the library, (now what|how do I start it|what next|how do i run it)", "lanyard serve", "which (command|button) (starts|serves|runs|launches) (a|the) model", "no model is (served|running)", "nothing is (served|being served|running)", "what does (serving|loading|ready|deploy|deployed|rank loading) mean", "how do I know (it is|the model is|when it is) ready", "(is|when is) (it|the model) ready", "--on gpu-1,gpu-2", "how do I choose (which|the) machines (run|for) (the|a) model",
        ],
    },
    "stop-deployment": {
        "do": ["<stop> (a|the|my|this) <deployment>", "<stop> (a|the|my|serving a|running a|serving the) <model>", "(free|release|get back) (the|) (memory|vram|gpu memory|ram) [(it|a model|the model) uses]", "(free|unload) (a|the|my) (gpu|model|machine) [again]", "<stop> (it|everything|all deployments)", "undo (starting|serving) a model", "make (it|the model) stop running"],
        "about": ["(stopping|ending|unloading) (a|the|) (deployment|model|served model)", "lanyard stop", "the stop button (under deploy|of a deployment|on the card)", "the command (to stop|for stopping) a (model|deployment)"],
        "ask": [
            "what happens (when|if) I (stop|end) (a|the) (deployment|model|served model)", "(is|will) (the|) memory (freed|released|free again) (when|after|if) I stop (it|a deployment|a model)", "lanyard stop", "which (command|button) (stops|ends|unloads) (a|the) (model|deployment)", "(are|will) (running|unfinished) answers (lost|cut|end) when I stop", "(i|we) (don't|do not|no longer) need (the|a|this) (deployment|served model|running model) (any more|anymore|right now|now)", "how do I take (a|the) model (down|offline)", "(the|a) model (still runs|keeps running|is still loaded|should stop)", "(do|will) (the|) shards (stay|remain|get deleted) (after|when) (stopping|I stop)", "why is the (second|next) start (quick|quicker|faster)",
        ],
    },
    "served-name": {
        "do": ["<change> (the|a|its|another) (served name|name of the model|model name|name) [of (a|the) (deployment|model)|for API clients]", "(name|rename) (a|the|my) (deployment|served model)", "give (the|a|my) (model|deployment) (a|another|a different|a short) name", "know (which|what) (name|model name) (to use|clients use|to put into the model field)"],
        "about": ["(the|a) served name[s]", "the (model|served) name [for the api|in the api|field|for clients]", "(the|) --name [option]", "the model field", "the name (that|) clients use"],
        "ask": [
            "what is (a|the) served name [for]", "(which|what) (name|model name) (do|should) I (use|put|write|type|enter) [in (my|the) (client|model field|api call|request)]", "what (do|should) I (put|write|enter) (in|into|as|for) (the|) model [field|name|parameter]", "what (is|does) (my|the) model (called|name in the api|be called)", "model not found [in (my|the) (client|api)]", "the (client|api) says (the|) model (does not exist|is not found|not found|unknown)", "(under|by) which name (is|can|do) (the|my|i) (model|call it|served)", "where (do|can) I (see|set|find|change) the (served|model) name", "can (two|several) (deployments|models) have the same name", "what does --name do", "how do clients (know|call|name|address) the model",
        ],
    },
    "context-length": {
        "do": ["(increase|change|set|raise|enlarge|make bigger|extend|adjust|reduce) the context [length|size|window]", "(use|have|get) (a|) (longer|larger|bigger|long) (context|conversation|prompt|chat|prompts|conversations)", "(send|paste|use|process) (a|) (long|very long|huge) (text|prompt|document|file|conversation)"],
        "about": ["(the|) context [length|window|size|limit]", "context_length_exceeded", "(the|) --context [option]", "prompt (length|limits|size)", "how long (a|the) (conversation|chat|prompt|text) (can|may) be", "maximum (tokens|context|prompt length)", "the context length exceeded (error|message)"],
        "ask": [
            "what (is|does) (the|) context [length|window|mean]", "how long (can|may) (a|my|the) (chat|conversation|prompt|message|text|question) be", "how many tokens (can|does|may) (a|the|it|I) (chat|conversation|prompt|have|remember|send|use|handle)", "(the|my) (prompt|message|conversation|text|chat) is too long", "(prompt|conversation|message|text|input) too long", "does (it|the model) forget (old messages|the beginning|what I said) [in long chats]", "is (my|the|a long) (prompt|text|chat|conversation) (cut|truncated|shortened) [silently]", "(it says|error:) (context length exceeded|the prompt has too many tokens|context_length_exceeded|the prompt is longer than the context)", "what happens (when|if) (a|the|my) (chat|conversation|prompt) (gets|is|becomes) too long", "context (too small|exceeded|length|is full|full)", "too many tokens", "(the|my) (conversation|chat) (was refused|got refused) because it (is|was) too long",
        ],
    },
    "fewer-bits": {
        "do": ["(use|choose|set|load|serve|run) (a|the|) (model|weights|it|) (in|with|as) (8 bit|4 bit|int8|int4|8-bit|4-bit|fewer bits|half the memory|lower precision)", "(quantise|quantize|compress|shrink) (a|the|my|) (model|weights)", "(make|get) (a|the|my) model (smaller|use less memory|take less memory|fit by compressing)"],
        "about": ["(8 bit|4 bit|int8|int4|8-bit|4-bit|fewer bits|quantisation|quantization|lower precision) [weights|mode|loading]", "(the|) --dtype [option]", "(the|) weights (setting|option|field|choice)", "(quantised|quantized) weights", "accuracy (loss|of int8|of int4)", "int8 (and|or|versus) int4"],
        "ask": [
            "what (is|are|does|do) (int8|int4|8 bit|4 bit|fewer bits|quantisation|quantization|dtype|--dtype) [weights|mean|do|for]", "(can|does|could) (it|lanyard|I|the app) (quantise|quantize|use int8|use int4|use 8 bit|use 4 bit|run in 8 bit|run in 4 bit|load in 4 bit|load in 8 bit) [the model|models|weights]", "how much (memory|accuracy|quality) (does|do|is) (int8|int4|8 bit|4 bit|quantisation|quantization) (save|lose|lost|cost|need|use)", "(is|does) (int8|int4|8 bit|4 bit|quantisation|quantization) (worse|bad|lossy|less accurate|good enough|hurt quality|hurt the answers|ok)", "int8 or int4", "(16|8|4) bit (or|vs) (8|4|16) bit", "(should|can) I (choose|use|pick) fewer bits", "how can I (save|reduce|lower) (memory|the memory use|vram) [of the model|by precision]", "(half|quarter) precision", "where (do|can) I (choose|set|change) (the|) (bits|precision|dtype|weights type|number of bits)", "does (quality|accuracy) suffer (with|from) (8|4|fewer) bit[s]",
        ],
    },
    "parallel-chats": {
        "do": ["(serve|answer|handle|have) (several|many|multiple|two|more) (users|chats|people|requests|clients|conversations) (at once|at the same time|in parallel|together|simultaneously)", "(set|change|raise|increase) (the|) (number of|) parallel (chats|requests|users)", "(let|allow) (several|more|my|two) (colleagues|users|people|clients) (chat|use it) (at once|together|at the same time)"],
        "about": ["parallel chats", "(several|multiple|many) (users|chats|requests) (at once|at the same time|in parallel)", "(concurrent|simultaneous|parallel) (users|requests|chats|conversations)", "concurrency", "(batching|continuous batching)", "the queue"],
        "ask": [
            "(can|could|may) (several|many|multiple|two|more|my) (people|users|clients|chats|colleagues|programs|requests) (use it|chat|use lanyard|ask|be answered|run|work) (at once|at the same time|in parallel|together|simultaneously)", "how many (users|people|chats|requests|clients|conversations) (can|at once|at the same time|in parallel|does it) [use it|be answered|handle|at once|at the same time|are possible]", "(does|can) (it|lanyard|the engine) (do|support|use|handle) (batching|continuous batching|parallel requests|concurrent users|concurrent requests|several chats at once)", "<why> is my (request|chat|message) (queued|waiting|in line)", "queued, number (2|3|5) in line", "what is (parallel chats|batching|continuous batching)", "is (it|lanyard) (multi user|multiuser)", "do (two|several) chats slow each other down", "what (happens|if) (when|) two people (ask|write|chat) at the same time",
        ],
    },
    "engines": {
        "do": ["(use|choose|switch to|enable|select|run) (vllm|vllm with ray|ray|the vllm engine|another engine|the native engine)", "change the engine"],
        "about": ["(vllm|ray|vllm and ray|vllm + ray|vllm-ray) [engine|support|status]", "(the|) (engine|engines|native engine|inference engine|backend)", "(the|) --engine [option]"],
        "ask": [
            "(does|can|will) (it|lanyard|the app|this) (use|support|run|work with|have) (vllm|ray|vllm and ray|llama.cpp|tensorrt|sglang|ollama as engine|another engine)", "(is|are) (vllm|ray|vllm with ray|other engines) (supported|included|available|there|working|ready|part of it)", "(which|what) (engine|inference engine|backend|runtime) (does it|is|do you|does lanyard) (use|used|run)", "native or vllm", "<why> (is|was) (vllm|the vllm engine|--engine vllm-ray) (refused|not available|rejected|missing|unavailable)", "can I (use|choose|run|have) (vllm|ray|another engine|a different engine)", "what is the native engine", "engine unavailable", "engine vllm-ray (is refused|does not work|fails|not working)", "(is|what about) (vllm|ray)", "does it need (vllm|ray|pytorch|torch|python)",
        ],
    },
    "openai-port": {
        "do": ["(use|call|reach|access|connect to) (the|) (api|openai api|openai port|port|endpoint) [from (my|a) (program|client|script|app|editor)]", "(connect|use|set up|configure|point) (a|an|my|another|any|the) (openai client|client|program|app|editor|vs code|open webui|openwebui|python script|openai library|sdk|plugin|script|tool) [with|to] [it|lanyard]", "(use|call) (it|lanyard|the model|my model) from (python|javascript|node|another program|my code|a script|java|go|vs code|my editor|another app)", "(find|get|see) the (api address|base url|endpoint|api url|port number|address of the api)", "change the (openai|api) port"],
        "about": ["(the|) (openai|api) (port|address|url|endpoint|api|base url|compatible api)", "(the|) api [screen|page]", "(the|) base url", "(openai|api) (compatibility|clients|access)", "port 8317", "(the|) (rest|http) api", "the v1 endpoint"],
        "ask": [
            "(what|which) (is|) (the|) (address|base url|url|port|endpoint|port number) [of the api|does the api use|is the api on|do clients use|for clients]", "(is|does) (there|it|lanyard) (an api|have an api|offer an api|speak openai|openai compatible|offer a rest api|compatible with openai)", "can (I|other programs|my program|my editor|another app|open webui|langchain|my script) (use|call|talk to|access|connect to) (it|the model|lanyard|the api|the served model) [from python|over http]", "how do (other|my) (programs|apps|tools|scripts|clients) (use|reach|call|talk to|connect to) (it|the model|lanyard)", "(python|javascript|node|openai client|langchain|sdk) (example|code|snippet|access|library)", "where (is|do I find|can I see) (the|) (api|base url|api address|endpoint|code for the api)", "which port (is|does) (the|) (api|openai|it) (on|use|listen on)", "openai (port|api|client|base url|endpoint|compatible)", "what (url|address) (do|should) I (enter|put|use|type) in (my|the) (client|program|openai library|app)", "does the (openai python library|openai client|openai sdk) work [with it]", "where does the api listen", "api",
        ],
    },
    "api-key": {
        "do": ["(get|make|create|set|find|generate|use) (an|the|a|my) (api key|api token|key for the api|token)", "(protect|secure|lock) the (api|port|openai port)", "(reach|access|use|open|expose) (the|) (api|port|it) (from|to) (another computer|other computers|my phone|outside|the network|the lan|a different machine)"],
        "about": ["(the|an|) (api key|api keys|api token|bearer token|openai_api_key)", "access (from other computers|from outside|beyond this computer)", "(the|) (authorization|auth) header"],
        "ask": [
            "(do|does) (I|my client|the api|it|clients|the port) (need|require|have|want) (an|a|any) (api key|key|token|api token|authentication)", "(what|which) (api key|key|token) (do|should) I (use|enter|put|type|give) [in (my|the) client]", "(my|the) (client|program|app|library|sdk) (wants|asks for|needs|requires|insists on|demands) (an|a) (api key|key|token)", "where (do|can) I (get|find|make|see|create) (an|the|my) (api key|key|token)", "(can|could) (other computers|another computer|my colleagues|others|my phone|other machines|people on the network|anyone) (reach|use|access|call|connect to) (the|) (api|port|openai port)", "is the (api|port|openai port) (protected|safe|open to everyone|reachable from outside|secure|public|exposed|reachable from other computers)", "who can (use|reach|call|access) the (api|port)", "(listen|listening) (beyond|on all|on 0.0.0.0|outside) [loopback|interfaces]", "api key (required|needed|missing|invalid)", "openai_api_key", "(why|) is no (key|api key) (needed|required)", "what do I put as (api key|api_key)",
        ],
    },
    "curl": {
        "do": ["(use|call|test|try|query) (it|the api|the model|lanyard|the port|) (with|using|by|from) curl", "(write|make|build|send) (a|the) curl (command|request|call)", "(test|try) the api (in|from) (a|the) (terminal|shell|console)", "send (a|an) (http|post|raw) request [to (the|) (api|model)]"],
        "about": ["(a|the|) curl [command|example|call|request]", "curl", "(an|the) (http|post) request [example]", "chat/completions"],
        "ask": [
            "(show|give) me (a|the) curl (command|example|line|call)", "how does the curl (command|call) look", "(is there|do you have) (a|) curl (example|command)", "(what|how) (is|does) the curl (command|example) [look like]", "curl (command|example|please|api|request|chat completions|how)", "can I (test|call|use) (it|the api) (with|using) curl", "which (header|headers|json|content type|body) (does|do) (the|a) (request|api|curl call) (need|have)", "where (can|do) I (copy|find|get) (the|a) curl (command|example)", "what (json|body) do I (send|post) [to the api]", "post request to (the|) (api|model|chat completions)", "wget or curl",
        ],
    },
    "chat-window": {
        "do": ["(chat|talk|speak) (with|to) (a|the|my) (model|served model|deployment) [in (the window|here)]", "(use|open|work with) (the|) chat [window|screen|page]", "(send|write) (a|my|the) message", "(start|open|make|begin) (a|) new (chat|conversation|thread)", "(type|write|insert|enter) (a|) (new line|line break|several lines|newline) [in a message]", "(choose|switch|change|select) (the|a|another) model in (the|a) chat", "(find|see|search|open) (my|) old (chats|conversations|threads)"],
        "about": ["(the|) chat [window|screen|page]", "chatting", "(my|old|the|previous) (chats|conversations|threads|chat history)", "the (model picker|message field|list on the left)", "shift enter", "chat (history|list|threads)"],
        "ask": [
            "where (do|can) I (chat|write|talk to the model|type my message|talk to it|ask the model something)", "where are (my|the|old) (chats|conversations|threads|messages) (stored|kept|saved|shown|gone)", "how does the chat [window] work", "are (my|the) (chats|conversations) (saved|kept|stored)", "enter or shift enter", "(how|where) do I (talk|chat) [to (it|the model)]", "which key sends (the|a|my) message", "(can|does) (the chat|it) (keep|save|remember) (my|old) (chats|conversations)", "how do I make a (line break|new line)", "where is the chat [window]", "can I (have|keep) several (chats|threads|conversations)", "(enter|return) sends (the message|too early)",
        ],
    },
    "edit-message": {
        "do": ["(edit|change|correct|fix|rewrite|modify) (a|my|the|an old|my last) (message|question|prompt)", "(get|ask for|have|request) (another|a new|a different|a second|a better) (answer|reply|response)", "(regenerate|redo|repeat|retry) (an|the|) (answer|reply|response)", "(switch|go back|return) (between|to) (versions|the old version|an earlier version|the previous version|earlier answers) [of (a message|an answer)]"],
        "about": ["(editing|) (messages|a message)", "(answer again|regenerate|regenerating)", "versions [of (a message|an answer)]", "(the|) (edit|answer again|regenerate) button", "the arrows (under|beside|below) (a message|an answer)", "branches"],
        "ask": [
            "(I|i've) (made|wrote|have) a (typo|mistake) in my (message|question)", "can I (edit|change|correct) (a|my|what I|the) (message|question|wrote) [after sending it|afterwards]", "(is|will) the old (version|answer|message) (lost|kept|deleted|overwritten) [when I edit]", "(i|I) (don't|do not) like (the|this|that) answer", "what (are|do) the (arrows|versions|numbers) (for|do|mean|under a message)", "where (is|did|are) (the|my) (old|previous|earlier) (answer|version|answers|versions) [go]", "(the|this) answer was bad, (again|try again|another one)", "how do I get (the model|it) to (try again|answer again)", "regenerate", "edit message", "what does answer again do",
        ],
    },
    "stop-answer": {
        "do": ["(stop|end|interrupt|abort|cancel|cut off|break off|halt) (an|the|a|this|a long) (answer|reply|response|generation|output)", "(stop|interrupt) (the model|it) (while it writes|from writing|writing|talking|in the middle|mid answer|while answering)", "make (it|the model) (stop writing|shut up|stop talking|stop)"],
        "about": ["(stopping|interrupting|aborting) (an|the) (answer|reply|response)", "(the|) stop button in (the|) chat", "(the|) (esc|escape) key", "stopping generation"],
        "ask": [
            "(the|an|this) answer is too long[, how do I stop it]", "(it|the model) (does not|doesn't|won't) stop (writing|talking|answering|generating)", "can I (stop|interrupt|abort|end) (an|the) (answer|model|reply) [while it is writing|halfway|in between|mid way]", "what happens (when|if) I (press esc|stop an answer|interrupt it)", "is the text (kept|lost|saved) (when|if) I (stop|interrupt) (it|an answer|the answer)", "which key stops (it|the answer|the model|writing)", "(endless|never ending|too long) answer", "how to make it (stop|be quiet|shut up)", "(stop|abort|interrupt) generating", "what does esc do", "it (keeps|goes on) (writing|talking|rambling|babbling) [forever]",
        ],
    },
    "parameters": {
        "do": ["<change> (the|) (temperature|parameters|seed|top-p|top p|system prompt|maximum length|sampling|stop strings|generation settings|sampling parameters)", "(make|get) (the|) (answers|model|output) (more creative|deterministic|less random|more random|repeatable|shorter|reproducible|always the same|less wild)", "(write|set|use|add|enter) (a|the) system prompt", "(limit|cap) (the length of|) (an|the|) (answer|answers|tokens)"],
        "about": ["(the|) (temperature|parameters|seed|top-p|top p|system prompt|sampling|stop strings|max tokens|most tokens|generation settings)", "(the|) show parameters [button|panel]", "(sampling|generation) (parameters|options|settings)"],
        "ask": [
            "what (is|does) (the|) (temperature|seed|top-p|top p|system prompt|most tokens) [do|mean|for]", "where (is|are|can I set|do I set|do i find) (the|) (temperature|parameters|system prompt|seed|sampling settings)", "(why|how come) (does it|do I|is the) (give|get|answer) (different|another|other) (answers|answer|every time|each time) [every time|to the same question]", "how do I get the same answer (again|every time|twice)", "can I (set|change|give|use) (the|a) (temperature|system prompt|seed|stop string)", "(which|what) temperature (should I use|is good|is best)", "(answers|output) (too|is too) (random|wild|boring|short|long)", "what (does|is) temperature 0", "(temperature|top_p|seed|system prompt|max_tokens)", "tell (the|my) model how to behave", "do the parameters (apply|count) (to|for) (all|every|this) chat[s]",
        ],
    },
    "delete-chat": {
        "do": ["<remove> (a|the|my|an old|all|this|old) (chat|conversation|thread|chats|chat history|conversations)", "(rename|retitle|name|change the title of|change the name of) (a|the|my|this) (chat|conversation|thread)", "(clear|wipe|empty) (the|my|) (chat history|chats|conversations|history)", "(get|bring) back a deleted chat", "(restore|recover|undelete) (a|my|the) [deleted] (chat|conversation)"],
        "about": ["(deleting|renaming) (a|) (chat|chats|conversation|thread)", "the (title|name) of a chat", "(a|my) deleted chat", "the menu (beside|of) a chat"],
        "ask": [
            "can I (delete|rename|restore|recover|undelete) (a|my|old|deleted) (chat|chats|conversation|conversations)", "is a deleted chat (gone|gone for good|recoverable|kept|really deleted)", "(i|I) deleted (a|my|the wrong) chat (by accident|by mistake|)[, can I get it back]", "where (can|do) I (delete|rename) (a|my) (chat|conversation)", "how do I (tidy|clean) up (my|the) (chats|chat list|history)", "(delete|rename|remove) chat", "too many (old|) chats in (the|my) list", "(the|my) chat has (a|the) (wrong|stupid|bad|silly) (title|name)", "delete (all|everything) I (wrote|typed|asked)",
        ],
    },
    "monitor": {
        "do": ["<see> (the|my|) (load|gpu load|cpu load|memory use|gpu use|utilisation|utilization|charts|performance|temperature of the gpu|network traffic|tokens per second|statistics|usage) [of (my|the) machines]", "(monitor|watch|observe|track) (my|the) (machines|gpus|deployment|performance|speed|load|network|resources)", "see how (busy|loaded|hot) (my|the) (machines|gpus|machine) (are|is)", "(measure|see|check) (the|) (speed|tokens per second|tok/s|time to first token|throughput) [of a deployment]"],
        "about": ["(the|) monitor [screen|page|tab]", "(the|) (charts|graphs|statistics|metrics|performance charts|load charts|measurements)", "(cpu|gpu|memory|network) (load|usage|charts|graphs|utilisation|utilization)", "time to first token", "tokens per second (charts|display)", "monitoring"],
        "ask": [
            "where (can|do) I see (the|how|my|how much) (load|busy my machines are|gpu usage|speed|tokens per second|charts|memory is used|cpu usage|network traffic|graphs)", "what (is|does) the monitor [screen|page] [show|do|for]", "how (fast|many tokens per second) (is it|does it make|is the model) (right now|now|at the moment|currently|actually)", "how long are (measurements|metrics|charts|samples) kept", "(is|are) there (charts|graphs|a dashboard|statistics|metrics|monitoring)", "how busy (are|is) (my|the) (machines|gpu|cpu|network|machine)", "(can|does) (it|lanyard) (show|measure|display) (gpu|cpu|network|memory) (load|usage|use|temperature)", "(dashboard|charts|graphs|metrics|monitor)", "real time (usage|load|metrics)", "what is time to first token",
        ],
    },
    "logs": {
        "do": ["<see> (the|a|) (log|logs|log file|log files|log lines|log messages)", "<see> (the|) logs of (a|one|my|the) (machine|deployment|rank|worker)", "(filter|search|copy|export|follow|tail) (the|) (log|logs|log lines)", "(see|find out|know) what (happened|went wrong|it did) [in the log|in detail]"],
        "about": ["(the|) (log|logs|log files|logging|log lines|log tab|error log)", "lanyard logs", "(the|) logs tab", "log (levels|level|filters|files)", "debug (output|messages|logs)"],
        "ask": [
            "where (are|is|can I see|do I find|can i find) (the|) (log|logs|log file|log files|error log)", "(are|is) there (any|a|) (log|logs|log file|debug output)", "which command shows (the|) logs", "lanyard logs", "how do I (filter|search) (the|) logs", "can I see (only|just) (errors|warnings|the logs of one machine)", "what (did|has) (the worker|a rank|it|the app) (log|write|report)", "where (does it|does lanyard) (log|write its logs|write logs)", "(show|give) me (the|) (log|logs)", "log file (location|path|where)", "verbose (mode|output|logging)", "how do I make a bug report", "stack trace where",
        ],
    },
    "doctor": {
        "do": ["(run|use|start) the (doctor|checks|health check|diagnostics|self test)", "(check|test|diagnose) (my|the|this) (setup|installation|system|computer|everything|configuration) [for problems]", "(check|see|find out) (if|whether) (everything|all|it) (is|works) (ok|fine|right|working|well)", "(troubleshoot|debug|diagnose) (it|lanyard|a problem|problems|this|the app)", "find (out|) what is (wrong|broken|missing)"],
        "about": ["(the|) doctor", "(the|) (diagnostics|health check|self test|checks|troubleshooting)", "lanyard doctor", "run checks"],
        "ask": [
            "(it|something|lanyard|nothing|the app|this|everything) (does not work|doesn't work|is broken|is not working|fails|isn't working|won't work|behaves strangely|went wrong|works)", "(i|I) have (a|some) (problem|problems|trouble|an issue)", "what is (wrong|broken|missing)", "(help|help me), (it does not work|something is wrong|nothing works|it is broken)", "what does (lanyard doctor|the doctor|run checks) do", "how (can|do) I (check|find out|see) what is (wrong|missing|broken)", "is everything (ok|fine|all right|working|in order)", "(general|any) (troubleshooting|help with problems)", "(not working|doesnt work|broken|does not work|it's broken)", "what (can|should) I do (if|when) (something|it|lanyard) (does not work|fails|goes wrong|is broken)", "lanyard doctor", "strange (error|behaviour|behavior)", "why (does it|doesn't it|does this) (fail|work|not work)",
        ],
    },
    "unreachable": {
        "do": ["(fix|solve|resolve) (a|the|an) (unreachable|connection refused|connection timeout|host unreachable|no route to host) [machine|error|problem]", "(reach|get to|connect to) <a> machine that does not (answer|respond)", "(enable|start|install|turn on) (the|an|) ssh [server|daemon] [on <a> machine]"],
        "about": ["(a|an|the) (unreachable|unresponsive) (machine|host|computer)", "host unreachable", "connection (refused|timeout|timed out)", "(a|the) machine that (does not answer|does not respond|cannot be reached)", "the ssh server", "sshd"],
        "ask": [
            "(my|the|a|this) <machine> (does not answer|cannot be reached|can't be reached|is unreachable|is not reachable|does not respond|doesn't respond|doesn't answer|can not be found)", "(cannot|can't|could not|unable to|can not) (reach|connect to|contact|ping) (my|the|a|this) <machine>", "(connection refused|connection timed out|host unreachable|no route to host|timeout|connection timeout|ssh refused|sshd is not listening|host not found|name not resolved)", "(why|how come) (can't|cannot) (I|lanyard|it) (reach|connect to|find) (my|the) <machine>", "(it says|error:) (the|) (host is unreachable|machine does not answer|connection was refused|sshd is not listening|host cannot be reached|connection timed out)", "adding (a|the|my) machine (fails|failed|does not work|doesn't work) [because it (does not answer|is not reachable|cannot be reached)]", "(the|) (connection|connecting) (fails|failed|does not work|is not possible)", "nothing within 10 s", "port 22 (is closed|refused|not open|closed)", "ssh (is not running|not running|server not running|is off) [on (the|my) machine]", "what (if|do I do if|happens if) (a|the) machine (does not answer|cannot be reached|is unreachable)",
        ],
    },
    "wrong-password": {
        "do": ["(fix|solve) (a|the) (wrong password|permission denied|login error|sign-in error|authentication failure|auth failed) [error|problem]"],
        "about": ["(a|the|) (wrong password|permission denied|auth failed|authentication failure|sign-in refused) [error|message|problem]", "(a|the) (failed|refused|rejected) (login|sign-in|password|key)"],
        "ask": [
            "(my|the) (password|key|login|ssh key|passphrase) (is|was|gets|got) (refused|rejected|not accepted|wrong|denied|declined|incorrect)", "(permission denied|auth failed|authentication failed|wrong password|login failed|sign-in failed|access denied|invalid password|incorrect password|login incorrect)", "(it|the machine|lanyard|the server) (does not|doesn't|won't) (accept|take|like|let me in with) (my|the) (password|key|login|credentials|ssh key)", "(it|the machine|the server) (does not|did not|won't|doesn't) let (me|us|lanyard) in", "<why> (is|was) (my|the) (password|login|key|sign-in) (refused|rejected|wrong|denied|not accepted)", "(cannot|can't|unable to|could not) (log in|sign in|login|authenticate) [to (my|the|a) machine]", "(it says|error:) (permission denied|authentication failed|wrong password|did not let us in|auth_failed)", "what if (the|my) password is (wrong|refused|not accepted)", "i (typed|entered|used) the (wrong|correct|right) password", "too many (wrong|failed) (attempts|passwords|logins)", "(user|username|user name) (wrong|unknown|not accepted|is wrong)", "forgot (my|the) password of (a|the|my) machine",
        ],
    },
    "no-space": {
        "do": ["(free|make|clear|get) (some|more|disk|) space [on <a> <machine>]", "(fix|solve) (a|the|) (full disk|no space|disk full|no space left) [error|problem]", "see how much (space|disk space) is (left|free) [on <a> machine]"],
        "about": ["(no|not enough|too little) (disk |)space", "(a|the) full disk", "disk (space|full|usage)", "no space left [on device]", "how much (disk space|disk|space) (it|a shard|the worker|a model) (needs|takes)"],
        "ask": [
            "(the|my|a) (disk|drive|ssd|hard disk|home folder|machine) (is|of my machine is|there is) (full|too full|almost full|out of space)", "(no space|no space left|disk full|out of disk space|not enough space|insufficient disk space|not enough disk space)", "(it says|error:) (no space|the worker needs more space|no space left on device|disk full|not enough space)", "not enough (space|disk|disk space|room) on (the|my|a) <machine>", "how much (disk space|disk|storage|space) (does it|do I|is|does a machine|does the worker) (need|needed|use|take|require)", "<machine> (ran|runs|is running) out of (space|disk|disk space|storage)", "what (if|do I do if|happens when) (the|a|my) (disk|machine|drive) is full", "where can I (free|make) space", "installing (the worker|it) fails (because of|for lack of) (space|disk space)", "no room (left|) (on|for) (the|) (disk|worker|shards|machine)",
        ],
    },
    "truncated-file": {
        "do": ["(fix|repair|solve) (a|the|) (truncated|damaged|corrupt|corrupted|broken|incomplete|missing) (file|model file|weight file|model|safetensors|download)"],
        "about": ["(a|the) (truncated|damaged|corrupt|corrupted|incomplete|broken) (file|model|weight file|safetensors file|download|model file)", "(a|the) missing (weight|model|safetensors) file[s]", "model (truncated|corrupt|corruption|damage)"],
        "ask": [
            "(a|the|my|one) (file|weight file|model file|safetensors file|model) is (truncated|damaged|corrupt|corrupted|incomplete|broken|missing|too short|cut off)", "(it says|error:) (the|a) (file is truncated|file ended early|weight file is missing|file is damaged|file ends too early|model is truncated|file is missing|tensor is missing)", "(truncated file|file truncated|model truncated|corrupt file|missing file|model corrupt|file missing|tensor missing|truncated safetensors)", "(the|my) (download|copy) (was|got|is) (interrupted|incomplete|not finished|aborted|broken|cut off)", "(adding|importing) (a|the|my) model (fails|failed|says) [because] (a|) file (is missing|is truncated|ended early|missing)", "<why> is (my|the) (model|file|weight file) (damaged|truncated|incomplete|not readable|corrupt)", "what if (a|the) (model file|file|weight file|download) is (damaged|missing|incomplete|broken|truncated)", "model-00002-of-00004.safetensors is missing", "ended (1024|2048|512|some) bytes early", "(bad|half|partial|unfinished) download", "weights (incomplete|damaged|corrupt|missing)",
        ],
    },
    "too-big": {
        "do": ["(run|use|serve|start|fit) (a|the|my) model (that is|) (too big|too large|bigger than (my|the) memory|that does not fit)", "make (a|the|my|it) (big|large|huge|) model fit", "(fix|solve) (the|a|) (does not fit|too big|out of memory) (error|problem|message)"],
        "about": ["(a|the) model (that is|being) too (big|large)", "(the|) (does not fit|plan_too_big|out of memory|too big) (error|message|problem)", "not enough memory", "insufficient (memory|vram|ram)"],
        "ask": [
            "(the|my|this|a) model (does not fit|doesn't fit|is too big|is too large|won't fit|is bigger than my memory|needs too much memory|does not fit in memory|is too heavy)", "(it says|error:) (it does not fit|the model is too big|not enough memory|out of memory|2 GB are missing|does not fit)", "(too big|too large|out of memory|not enough memory|does not fit|doesnt fit|oom|insufficient memory|insufficient vram|plan too big)", "what (can|do|should) I do (if|when) (it|the model|my model|a model) (does not fit|is too big|is too large|doesn't fit|needs too much memory)", "what if (it|the model|a model) (does not fit|doesn't fit|is too big|is too large)", "<why> does (it|the model|my model) not fit", "(i|we) (have|got) (too little|not enough) (memory|vram|ram|gpu memory) [for (the|this|a) model]", "how (do|can) I (make it fit|get it to fit|squeeze it in)", "(some|3 GB|5 GB|memory) (is|are) missing on (the|) (tightest|) device", "cuda out of memory", "model (is|) larger than (my|the) (gpu|memory|vram|card)", "running out of (memory|vram|ram) (when loading|while loading|at start)",
        ],
    },
    "name-taken": {
        "do": ["(fix|solve) (the|a|) (name taken|name is taken|name already used) [error|problem]", "use (a|the) (same|taken) name (twice|again)"],
        "about": ["(the|a|) (name taken|name is taken|name already in use) (error|message|problem)", "(a|the) (taken|used|occupied|duplicate) name", "a name conflict"],
        "ask": [
            "(the|my|this|that) [served] name is (taken|already taken|in use|already used|already served|occupied|not free|already in use)", "(it says|error:) (the|) (name is taken|name is already served|name already in use|a deployment is already called qwen|deployment is already called that)", "(name taken|name already used|duplicate name|name in use|name conflict|name already served)", "<why> (can't|cannot) I (use|take|reuse) (this|that|the same) name [again]", "(a|another) deployment (already has|is already called|has|uses) (this|that|the same|my) name", "what if (the|a) [served] name is (taken|already used|in use)", "qwen is already served", "(deployment|model) with (the same|this|that) name (already|) (exists|runs|is running)", "already called (qwen|llama|that|chat|test)", "how do I (get|free) (a|the) (taken|used|occupied) name",
        ],
    },
    "port-in-use": {
        "do": ["(use|choose|set|take) (another|a different|a new|an other) port", "(fix|solve) (the|a|) (port in use|address in use|eaddrinuse|port conflict) [error|problem]", "(change|set) (the|) (ui port|port of the page|browser port|web port|listening port)"],
        "about": ["(a|the|) (port in use|port conflict|occupied port|eaddrinuse) [error|message|problem]", "(the|) (--openai-port|--ui-port) [option[s]]", "address already in use"],
        "ask": [
            "(the|my|this|port 8317|that|port 8080) (port|openai port|ui port|) (is|was) (in use|already in use|taken|occupied|busy|not free|blocked|already used)", "(it says|error:) (the|) port [8317|8080] (is in use|is already in use|is taken|in use by another program)", "(port in use|port taken|address already in use|eaddrinuse|port conflict|port occupied|port is busy|port already used)", "(another|some other) (program|process|app) (uses|is using|has|occupies|blocks) (the|that|this|my) port", "what if (the|a|my) port is (in use|taken|occupied|busy)", "<why> (is|does) (the|) (port busy|port taken|openai port not listening|it not start because of the port|the port not work)", "can I (use|choose|set) (another|a different) port", "how do I (free|change) (the|a) port", "(the|) openai port is not listening", "cannot (bind|listen) [to|on] (the|) port", "which option (sets|changes) the port",
        ],
    },
    "rank-died": {
        "do": ["(recover|restart|continue) (after|from) (a|an) (crash|dead rank|failed rank|rank failure|failure)", "(restart|fix|repair|revive) (a|the|my) (failed|crashed|dead|broken) (deployment|rank|model)"],
        "about": ["(a|the) (dead|failed|lost|crashed|killed) rank", "rank (lost|failed|failure|died)", "(a|the) (failed|crashed) deployment", "(a|the) crash [of a (rank|deployment)]"],
        "ask": [
            "(a|one|my|the) rank (died|failed|crashed|ended|was killed|is dead|is gone|was lost|stopped|quit)", "(the|my|a) (deployment|model) (failed|crashed|died|has failed|stopped by itself|broke down|shows failed|went down|suddenly stopped)", "(rank lost|rank failed|rank died|deployment failed|rank 0 stopped|rank 1 failed|rank crash|rank_lost)", "<why> did (the|my|a) (deployment|rank|model) (fail|die|crash|stop|end|break)", "what happens (when|if) (a|one) (machine|rank|process|worker|gpu) (dies|crashes|fails|is killed|goes away|disappears) [while serving|during an answer|while it runs]", "(it says|error:) (rank 1 was lost|rank failed|rank 0 stopped sending tokens|the deployment failed|rank lost)", "(a|one) machine (crashed|died|went away|failed) (while|during) (serving|an answer|a chat|generation)", "what does (failed|rank lost|rank failed) mean", "(the|my) answer (broke off|stopped suddenly|ended with an error|was cut by an error)", "how do I (start|run) (it|the deployment) again after (it failed|a failure|a crash)", "change and start again", "(crash|crashed)",
        ],
    },
    "privacy": {
        "do": ["(keep|make sure) (my|the) (data|chats|prompts|text) (private|stay private|stay here|local|stay local|safe)", "(use|run) (it|lanyard) (offline|without internet|without the internet|without an internet connection)"],
        "about": ["(privacy|telemetry|data protection|tracking|data collection|confidentiality|gdpr)", "(my|the|user) (privacy|data)", "what (leaves|is sent from) (my|this) computer", "(the|) (cloud|internet) [use|connection]", "offline (use|mode)"],
        "ask": [
            "(does|will|do) (it|lanyard|the app|this|you) (send|upload|leak|share|transmit|collect|phone home|track|report|spy on) (my|any|the|) (data|chats|prompts|information|anything|me|usage data|text|conversations) [to (the cloud|anyone|a server|the internet|you|a company)]", "what (leaves|goes out of|is sent from|is uploaded from) (my|this|the) (computer|machine|machines|network|house|office)", "is (my|the) (data|chat|text|prompt|information|conversation) (private|safe|secure|kept private|sent anywhere|sent to the cloud|confidential)", "(who|can anyone|can somebody|can you|does anybody) (see|sees|read|reads|has access to) (my|the|what I) (chats|data|prompts|messages|conversations|write)", "(is|are|does) (it|there|lanyard) (local|private|offline|telemetry|any telemetry|tracking|collect data|need internet|need an internet connection|use the cloud)", "(does|do) (my|the|our) (chats|data|prompts|messages|words) leave (this|my|the) (computer|network|machine|house)", "where (does|do|is) (my|the) (data|prompts|text|messages) (go|sent|stored|end up)", "(can I|does it) (use it|work) (offline|without internet|without a connection)", "privacy", "telemetry", "do you (spy|listen|record) [on me]", "(is it|can i use it with) (confidential|private|secret|sensitive) (data|documents|information)", "does (openai|a company|anyone) (get|receive|see) my (data|chats|prompts)",
        ],
    },
    "encryption": {
        "do": ["(encrypt|secure|protect) (the|) (traffic|connection|communication|data|connections) [between (machines|the machines|ranks|my machines)]"],
        "about": ["(encryption|aes|tls|ssl|aes-256|cryptography|end to end encryption)", "(the|) encryption (between|of) (machines|the traffic|ranks|the connection)", "(the|) security of (the|) (traffic|connection|network traffic)", "secure (communication|traffic|connections)"],
        "ask": [
            "(is|are) (the|) (traffic|connection|communication|data|it|network traffic|everything|connections|activations) [between (machines|the machines|ranks|my machines|them)] (encrypted|secure|protected|safe|encrypted too|in plain text|readable)", "(does|do) (it|lanyard|the machines|the ranks) (encrypt|use encryption|use tls|use aes|use ssl|protect) [the|its|their] [traffic|data|communication]", "(which|what) (encryption|cipher|algorithm|cryptography) (is used|does it use|do you use|does lanyard use)", "can (somebody|someone|anyone|others|an attacker|colleagues) (on the network|in my network|) (listen in|read the traffic|eavesdrop|sniff|intercept|see the data|wiretap)", "how (do|does) (the|) machines (talk|communicate) (to each other|with each other|securely)", "is (it|the data) sent in (plain text|the clear|cleartext)", "how secure is (the|) (traffic|connection|communication) [between machines]", "encrypted", "does encryption (slow it down|cost speed)", "who (makes|creates|has) the (encryption key|secret|keys for the encryption)", "is the (link|network) between (the|my) (machines|computers) (secure|encrypted)",
        ],
    },
    "command-line": {
        "do": ["(use|run|control|operate) (it|lanyard|everything) (from|in|on|with) (the|a) (command line|shell|terminal|console|cli)", "(script|automate) (it|lanyard|things)", "(get|print|have) json [output]", "(see|list) (all|the|) (commands|subcommands)"],
        "about": ["(the|) (command line|cli|commands|shell commands|terminal commands|lanyard command|console)", "(scripting|automation|scripts)", "(the|) --json [option]", "(a|the) list of commands", "(the|) lanyard command", "npm run lanyard"],
        "ask": [
            "(is|are) there (a|any|) (command line|cli|commands|shell commands|terminal version|command line interface)", "(which|what) commands (are there|exist|can I use|does it have|do you know|are available)", "can I (use|control|run|script|automate) (it|lanyard|everything) (from|in|without) (the|a) (command line|shell|terminal|scripts|window)", "(command|lanyard) not found", "lanyard: command not found", "does it (have|support) (a cli|json output|scripting|a command line)", "how do I (run|call|use) the (lanyard command|cli|command line)", "what does --json do", "how do I use it (without|not with) the (window|mouse|gui)", "(cli|terminal|shell|command line)", "(what|which) can I (do|type) in (the|a) (shell|terminal|console)",
        ],
    },
    "headless": {
        "do": ["(run|start|use) (it|lanyard|the app) (headless|without a display|without a screen|without a window|on a server|without electron|in the background)", "(use|open|see|reach) (it|lanyard|the window|the interface|the ui|the page) (in|with|from) (a|my|the) (browser|firefox|chrome|web browser)", "(pair|connect) (a|my|the|this) browser", "(get|see|find) (the|a|a new|a fresh) (one-time code|code|pairing code|address of the page|ui address)"],
        "about": ["(headless|headless mode|the headless version|browser mode|the web interface|the browser interface|the web ui)", "(the|) (one-time code|pairing|pairing code|code)", "(running|) without (a|) (display|screen|monitor|window|gui)", "pair this browser", "(the|) --headless [option]"],
        "ask": [
            "(can|does|will) (it|lanyard|the app) (run|work|start) (headless|without a display|without a screen|on a server|without a monitor|without a gui|in a browser|over ssh|in the background)", "(it|lanyard|the page|the browser) (asks|wants|needs) (for|) (a|the) (code|one-time code|pairing code)", "(my|the) (code|one-time code|pairing code) (does not work|is refused|was refused|is used up|expired|is not accepted|works only once)", "where (is|do I find|do I get) (the|a) (code|one-time code|pairing code|address of the page|web interface)", "no (window|window opens|display|screen)", "(is|there) (there|is) a (web|browser) (interface|version|ui)", "(how do I|can i) (use|open) (it|lanyard) (in|from) (a|my) browser", "(does|do) I need (electron|a display|a desktop|a screen)", "what is the one-time code", "lanyard did not accept this code", "(server|headless) (mode|installation|start)", "use (it|lanyard) (on|from) a (server|remote computer) without (screen|display)",
        ],
    },
    "update": {
        "do": ["(update|upgrade) (it|lanyard|the app|to a new version|the program|to the latest version)", "(get|install) (the|a) (new|newest|latest|newer) (version|release)", "update (the|) (worker|workers|machines)"],
        "about": ["(updates|updating|upgrading|the update|an update|upgrade)", "(a|the) (new|newer|latest) version", "(worker|) updates", "automatic updates"],
        "ask": [
            "(is there|are there) (a|an|any|) (newer version|update|updates|new version|auto update|automatic update|automatic updates)", "(does|will|can) (it|lanyard|the app) update (itself|automatically|on its own|by itself)", "how do I (know|see|check) (if there is|for|whether there is) (a|an|) (update|updates|new version)", "(do|will) (I|my|the) (lose|chats|machines|models|settings) [stay|survive|get lost|be kept|my chats] (when I update|after an update|with an update|when updating)", "(do|must) I (have to|) update (the machines|the workers|the worker|every machine) [too|as well|separately]", "(which|what) version (do I have|is this|am i running)", "worker (version|) (mismatch|is old|outdated|of another version)", "(update|upgrade)", "(old|outdated) version", "git pull", "what happens to my (machines|chats|models) (when|if) I update", "how (often|do) updates (come|work)",
        ],
    },
    "uninstall": {
        "do": ["(uninstall|completely remove|fully remove|get rid of) (it|lanyard|the app|this app|this program|this software)", "(remove|delete|uninstall) (lanyard|the app|this app|the whole app|everything) (from|off) (my|this|the) (computer|pc|disk|machine|system) [completely|again]", "(delete|wipe) all (data|traces|files) of (lanyard|the app)"],
        "about": ["(uninstalling|uninstall|uninstallation|the uninstaller|deinstallation)", "(removing|deleting) (lanyard|the app|this app) [completely]", "the data folder [of lanyard]", "lanyard_home"],
        "ask": [
            "(is there|where is) (an|the) uninstaller", "(i|we) (don't|do not|no longer) (want|need|like) (lanyard|the app|this app|this program) [any more|anymore]", "what (stays|remains|is left) (behind|on my disk|on my computer) (after|when) I (uninstall|delete|remove) (it|lanyard|the app)", "where (does|is) (lanyard|the app|it) (keep|store|save|put) its (data|files|settings|database|folder)", "where is (the|its|lanyard's) (data|data folder|folder|database)", "(uninstall|deinstall|remove lanyard|delete lanyard)", "how do I (undo|revert) (installing|the installation of) (lanyard|it|this)", "(what|which) folder[s] (can|must|should) I delete [to get rid of lanyard]", "completely (clean|remove|delete|uninstall) (everything|lanyard|it)", "want (it|lanyard) gone [from my computer]",
        ],
    },
    "language": {
        "do": ["<change> (the|) (language|theme|text size|font size|appearance|colors|colours|look|ui language|interface language)", "(switch|change|set) (it|lanyard|the app|the interface|the window) (to|into) (chinese|english|german|french|dark mode|light mode|another language|high contrast|dark)", "(make|get) (the|) (text|font|letters) (bigger|larger|smaller)", "(use|turn on|enable|activate) (dark mode|dark theme|light mode|high contrast|the dark theme|a dark background)"],
        "about": ["(the|) (language|languages|theme|themes|dark mode|appearance|text size|font size|high contrast|display language|looks)", "looks and language", "(chinese|english) (interface|language|version)"],
        "ask": [
            "(which|what|how many) languages (are there|does it have|does it speak|are supported|can I use|do you speak|does the app have)", "(is|does) (there|it|lanyard) (a chinese version|in chinese|a dark mode|dark mode|have a dark theme|speak chinese|available in german|support chinese|support french|translated)", "(do|can) you (speak|understand|know) (english|chinese|german|french|spanish)", "where (is|can I find|do I find|are|do i change) (the|) (language|language setting|theme|dark mode|text size|settings for language)", "(the|) (text|font) is too (small|big|large|tiny)", "(everything|the app|the interface) is in (chinese|english|the wrong language)", "(it is|the window is|screen is|its) too (bright|dark)", "can I (change|switch) (the|) (language|theme|colors|font size)", "(dark mode|language|theme|font size|chinese|english)", "in which language (do|does|will) (the|) (model|models|it) (answer|answers|reply)", "(the|) (wrong|foreign) language",
        ],
    },
    "quit": {
        "do": ["(quit|exit|close|leave|end|shut down|terminate) (lanyard|the app|this app|the program|this program)", "(stop|turn off|switch off|shut down|kill) (lanyard|the app|this app|the program|the whole thing|the server) [completely|itself]", "(restart|reboot) (lanyard|the app|the program)"],
        "about": ["(quitting|exiting|closing|stopping|restarting) (lanyard|the app)", "stop-app", "lanyard stop-app", "the (exit|quit) command"],
        "ask": [
            "what happens (when|if) I (quit|close|exit|end) (lanyard|the app|it|the program|the window)", "(does|do|will) (the|) (workers|worker|machines|deployments|ranks|model) (keep|go on|stop|end|continue) [running] (when|after|if) I (quit|close|exit) [lanyard|the app|it]", "which command (stops|ends|quits|exits) (lanyard|the app)", "how do I (stop|end|close) (the whole app|lanyard itself|this app|everything and exit)", "ctrl c", "(exit|quit|close)", "stop-app", "does (something|anything|it) (keep running|run on|stay) (after|when) (I close it|closing|quitting)", "how do I (turn|switch) (lanyard|it|the app) off", "how can I exit", "(i am|i'm|im) done, how do I close (it|the app|lanyard)",
        ],
    },
    "greeting": {
        "do": [], "about": [],
        "ask": [
            "(hello|hi|hey|hi there|hello there|hey there|good morning|good evening|good afternoon|good day|greetings|howdy|yo|hiya|heya|hallo|hola|sup|morning|evening)", "(hello|hi|hey) [guide|lanyard|lanyard guide|you|there|friend|everyone|again|bot]", "(how are you|how are you doing|how is it going|what's up|how do you do|are you there|anybody there|anyone there|you there|nice to meet you|pleased to meet you)", "(hello|hi|hey), (how are you|what's up|nice to meet you|are you there|good morning|anybody here)", "(test|testing|test test|ping|just testing|testing 123|this is a test|just a test)", "(good morning|hello|hi) (to you|my friend|dear guide|everybody)", "hello world", "(i just wanted to|wanted to|just) (say|saying) (hello|hi)",
        ],
    },
    "thanks": {
        "do": [], "about": [],
        "ask": [
            "(thanks|thank you|thx|ty|cheers|many thanks|thanks a lot|thank you very much|thank you so much|thanks so much|much appreciated|thank u|tysm|ta)", "(thanks|thank you), (that helped|great|perfect|that was helpful|good|that is all|very helpful|it works now|that worked|nice|very kind)", "(great|perfect|good|nice|cool|awesome|excellent|wonderful|super), (thanks|thank you|thx)", "(that helped|that was helpful|very helpful|that helps|good answer|well done|good job|great answer|you are great|you're the best|you helped me a lot|nice work|that is helpful)", "(ok|okay|alright) (thanks|thank you|thx)", "(great|perfect|awesome|cool|wonderful|excellent|nice|super|brilliant|good|ok|okay|ok good|understood|got it|i see|all clear|makes sense)", "(thank you|thanks) for (your help|the help|the answer|explaining|the information|your time|the explanation|everything)", "(it works|it worked|works now|now it works|that solved it|that fixed it)[, thanks|, thank you|!]", "(i|I) (appreciate|like) (it|that|your help|this)",
        ],
    },
    "who-are-you": {
        "do": [], "about": ["(you|yourself|lanyard guide|the lanyard guide|the guide|this guide|guide|the built-in (model|guide)|this (chatbot|bot|assistant|model))"],
        "ask": [
            "(who|what) are you", "what (is your name|are you called|'s your name)", "what (can|can't|do|could) you (do|not do|help with|help me with|answer|know|tell me)", "(are|r) you (a (bot|robot|human|person|real person|model|language model|chatbot|computer|machine|program)|real|human|chatgpt|gpt|gpt-4|an ai|ai|llama|qwen|claude|smart|intelligent|the guide|openai|alive)", "(how|what) (big|large|smart|size|good) are you", "how many parameters do you have", "(tell me about|introduce|describe) (yourself|you)", "who (made|built|trained|created|wrote|programmed) you", "what (model|kind of model|sort of model|ai) are you", "(can I|should I) (trust|believe) (you|your answers|what you say)", "(are|can) you (always|be) (right|wrong|correct|make mistakes|reliable|mistaken)", "(what|which) (topics|questions|things|subjects) (do|can) you (know|answer|cover|help with)", "what (do|can) you (talk|know) about", "what can I ask [you]", "what should I ask you", "how (were|are|have) you (made|trained|built|created)", "who am I (talking|speaking) to", "what is (lanyard guide|the guide|this model|guide)", "what are (your|the) (limits|limitations|abilities|capabilities|skills)", "(help|help me|i need help|can you help me|please help|help please)", "are you (any good|useful|only for lanyard|able to code|able to do anything else)", "why are you so (small|dumb|stupid|limited)", "what is your purpose", "what else (can|do) you (do|know)",
        ],
    },
    "goodbye": {
        "do": [], "about": [],
        "ask": [
            "(bye|goodbye|good bye|see you|see you later|bye bye|cya|farewell|so long|see ya|take care|have a nice day|good night|until next time|see you tomorrow|later|ciao|adios)", "(ok|okay|thanks|thank you|alright|well|great), (bye|goodbye|see you|good night|see you later|bye bye)", "(i have to go|i must go|gotta go|i am leaving|i'm off|that is all for today|i'm leaving now|time to go|that's all for now|i am done for today)[, bye|, goodbye|, see you]", "(bye|goodbye) (guide|lanyard|for now|then|my friend|and thanks)", "(have a (good|nice|great) (day|evening|one|weekend|night))", "talk (to you|) (later|soon|tomorrow)",
        ],
    },
}
