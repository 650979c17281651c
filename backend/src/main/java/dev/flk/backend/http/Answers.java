// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way of answers back to an event loop, from any thread. What was answered together costs one wake-up of the loop, and
 * one flush per connection.
 */
final class Answers {
    private static final Logger log = LoggerFactory.getLogger(Answers.class);

    private final Executor loop;
    private final Queue<Ready> ready = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean scheduled = new AtomicBoolean();

    Answers(Executor loop) {
        this.loop = loop;
    }

    /** Takes an answer; {@code answer} is rendered on the loop. Safe for any thread; never throws. */
    void add(Exchange exchange, Supplier<Answer> answer) {
        ready.add(new Ready(exchange, answer));
        if (scheduled.compareAndSet(false, true)) {
            try {
                loop.execute(this::deliver);
            } catch (RejectedExecutionException e) {
                // the server has ended, and with it every connection that could carry an answer
                ready.clear();
            }
        }
    }

    private void deliver() {
        // before the queue is read: what is added from now on finds it unset, and comes again
        scheduled.set(false);
        List<Connection> touched = new ArrayList<>();
        for (Ready next = ready.poll(); next != null; next = ready.poll()) {
            if (!next.exchange.isAnswered()) {
                next.exchange.complete(render(next.answer));
                touched.add(next.exchange.connection());
            }
        }
        touched.forEach(Connection::writeReady);
    }

    private static Answer render(Supplier<Answer> answer) {
        try {
            return answer.get();
        } catch (RuntimeException | Error e) {
            log.error("An answer could not be rendered", e);
            return Refusal.internalError();
        }
    }

    private record Ready(Exchange exchange, Supplier<Answer> answer) {}
}
