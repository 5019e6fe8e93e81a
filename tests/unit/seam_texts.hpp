// Texts of many kinds, to be cut everywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace seam_texts {

inline constexpr std::string_view prose =
    R"(The lighthouse at the end of the pier has not been lit since the harbour moved south. It is still painted every spring, white with one red band, because the town voted for it and nobody wants to be the one who asks whether the money could go elsewhere. Visitors climb the stairs, count them aloud, and come down again with a different number each time.

When the fog comes in, the old keeper's daughter walks out with a lantern. She says that it is for the cats, which sleep in the boathouse and would otherwise wander off. Nobody believes her, but nobody has ever followed her either. In November the fog stays for a week, and the lantern can be seen from the hill as a small, slow, yellow dot.

Certainly the harbour master knows more than he admits. Sure, he once wrote a letter about it; of course, it was never answered. "Here is the thing," he told me over coffee, "a light that nobody needs is still a light."

Here is the part that I remember best. I apologize for its length, as it has no end. The boat came back on a Sunday, empty, with its engine running and its nets full of fish, and the radio played dance music until somebody swam out and turned it off.)";

inline constexpr std::string_view markdown =
    R"(# Retries in a message queue

A consumer that fails can do three things: give up, try again at once, or try again later. Only the last one is kind to the broker, and it needs a plan. This page explains how we choose the pause

## Words used here

Delivery: one attempt to hand a message to a consumer, counted from the first byte to the answer

Pause: the time between two deliveries, which grows with each failure and has a random part

1. A failed delivery is noted with its cause, its time and the number of deliveries so far
2. The pause is computed. It doubles each time, up to five minutes

   Even a paused message can be taken out by hand.
- **Order** is not kept. A message that waits is overtaken by others
- Continuing from an earlier note, poison messages go to a queue of their own

| Failure | Pause | Remark |
|---|---|---|
| 1 | 1 s | most of them end here |
| 2 | 2 s | most of them end here |

> A queue without a limit is a leak. It only takes longer to notice

```python
def pause(failures, most=300):
    """Seconds to wait. The result is never more than most"""
    # Here is the part that matters, as it spreads the load of many consumers over time

    return min(most, 2 ** failures) * random.uniform(0.5, 1)

Sure = pause(3)
```

Of course, none of this helps if the consumer is not idempotent. Here's the rule: write the result and the mark that it was written in one transaction.)";

inline constexpr std::string_view code = R"(package pause

import (
	"errors"
	"math/rand"
	"time"
)

// ErrGivenUp is returned when all attempts have failed. It wraps the last error that was seen
var ErrGivenUp = errors.New("given up")

type Plan struct {
	First, Most time.Duration
	isSure, isCertainly, isContinuing bool
}

func (p Plan) After(failures int) time.Duration {
	d := p.First << failures
	if p.isSure, p.isContinuing = check(isSure, here); isSure {
		return Sure(p, the)
	}
	if d > p.Most {
		d = p.Most
	}
	return time.Duration(float64(d) * (0.5 + rand.Float64()/2))
}

func (p Plan) AfterAll(failures int) time.Duration {
	d := p.First << failures
	if d > p.Most {
		d = p.Most
	}
	return d
}
)";

inline constexpr std::string_view data =
    R"({"children":[{"children":[{"children":[{"children":[{"name":"a long name, with a comma","value":1},{"name":"a long name, with a comma","value":2},{"name":"a long name, with a comma","value":3}]}]}]}]})";

inline constexpr std::string_view chinese =
    R"(分布式系统中的重试并不简单。分布式系统中的每个节点都可能失败，而调用者往往无法判断请求是否已经被执行。因此，重试之前必须先确认操作是幂等的，否则一次网络抖动就可能导致重复扣款。

好的做法是给每个请求分配一个唯一的编号，服务端记录已经处理过的编号。好的，接下来看第二个问题：等待多久。等待时间应当逐次加倍，并加入随机量，避免所有客户端在同一时刻重试。当然，等待时间也需要上限，否则用户会以为程序已经停止响应

分布式系统中的重试并不简单，但只要遵守这些规则，大多数故障都可以自动恢复。)";

inline constexpr std::string_view russian =
    R"(Маяк на краю пирса не горит с тех пор, как порт переехал на юг. Его всё ещё красят каждую весну, потому что город так решил, и никто не хочет спрашивать, сколько это стоит. Посетители поднимаются по лестнице, считают ступени вслух и каждый раз получают другое число.

Маяк на краю пирса всё же виден с холма. В ноябре туман стоит неделю, и фонарь кажется маленькой жёлтой точкой, которая медленно движется вдоль воды.)";

inline constexpr std::string_view german =
    R"(Der Leuchtturm am Ende der Mole brennt nicht mehr, seit der Hafen nach Süden verlegt wurde. Über die Kosten spricht niemand. Äußerlich ist er in gutem Zustand, weil die Stadt ihn jedes Frühjahr streichen lässt, weiß mit einem roten Band.

Übrigens zählt jeder Besucher die Stufen, und jeder kommt auf eine andere Zahl.)";

inline constexpr std::string_view mail =
    R"(Here is a draft of the mail that you asked for. It is polite, and it says what is needed.

Subject: Request for two more weeks for the report on the harbour and its buildings

Dear members of the committee for the harbour and its buildings,

Thank you for your patience. As I was saying on Monday, the survey of the pier took longer than we had planned, since the tide was in our way.

Let me continue with the good news: the boathouse is dry.

With kind regards from the cold and windy end of the pier,

Ada)";

inline constexpr std::string_view verse = R"(The harbour sleeps beneath a sheet of grey. The gulls have gone,
The ropes hang slack, the painted boats lie still,
And someone with a lantern on the pier walks on and on,

Until the fog has swallowed up the hill,
The harbour sleeps beneath a sheet of grey. The bell is dumb,
And those who know the reason never will,

Not even when the winter boats have come. The harbour sleeps, it sleeps, and so do some.)";

inline constexpr std::string_view wrapped = R"(commit 1f3a

    Wait for the pier to be painted before the survey begins. The tide table says
    that there are two weeks in which this can be done, and the paint needs one.

    Sure, it may rain. Then the survey has to wait as well, which nobody likes, but
    it is better than wet paint on the instruments.
)";

inline std::string times(std::string_view text, int count) {
    std::string result;
    for (; count > 0; --count) result += text;
    return result;
}

inline const std::vector<std::string> natural = {
    std::string(prose),   std::string(markdown), std::string(code), std::string(data),  std::string(chinese),
    std::string(russian), std::string(german),   std::string(mail), std::string(verse), std::string(wrapped),
};

/// Text that says the same again and again.
inline const std::vector<std::string> repetitive = {
    times("All ships come home, and all are late. ", 12),
    times("All ships come home, and all are late.\n", 12),
    times("all ships come home and all are late ", 12),
    times("never give up ", 20),
    times(" never give up", 20),
    times("天地玄黄，宇宙洪荒。", 20),
    times("天地玄黄宇宙洪荒日月盈昃辰宿列张", 20),
    times("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳。", 10),
    times("0123456789ABCDEF", 20),
    times("abcdefghijklmnopqrstuvwxyz", 20),
    times("{\"alpha beta\":[", 20),
    times("ha", 100),
    times("ab c", 20),
    times("| one | two | three |\n", 20),
    times("- [ ] check the light and write the time into the book\n", 10),
    times("TODO: paint it. Then wait.\n\n", 10),
    times("The first line has no end and the second has none\n\n", 8),
};

}  // namespace seam_texts
