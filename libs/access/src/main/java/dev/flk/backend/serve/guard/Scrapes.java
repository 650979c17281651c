// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.program.metrics.Exposition;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.time.DaemonThreads;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A renderer of metrics on a separate thread that ends when idle. Requests that arrive while the thread is busy wait
 * for the next rendering, which is done once per format. A rendering begins after its requests arrived, so each answer
 * includes everything that happened before its request. Safe for any thread.
 */
public final class Scrapes implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Scrapes.class);
    private static final int FIRST_GUESS_BYTES = 32 << 10;
    private static final long IDLE_SECONDS = 30;

    private final Metrics metrics;
    private final Queue<Waiting> waiting = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final ThreadPoolExecutor thread;
    private volatile long usualBytes = FIRST_GUESS_BYTES;

    private record Waiting(Exchange exchange, @Nullable String accept) {}

    public Scrapes(Metrics metrics) {
        this.metrics = metrics;
        this.thread = new ThreadPoolExecutor(
                1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), DaemonThreads.named("scrapes"));
        thread.allowCoreThreadTimeOut(true);
    }

    /** Returns the approximate number of bytes of memory that an answer takes. */
    public long usualBytes() {
        return usualBytes;
    }

    /** Queues {@code exchange} for the next rendering. */
    public void add(Exchange exchange, @Nullable String accept) {
        waiting.add(new Waiting(exchange, accept));
        if (scheduled.compareAndSet(false, true)) {
            thread.execute(this::answerAll);
        }
    }

    private void answerAll() {
        // the flag is reset before the queue is read, so that a request that arrives later schedules another run
        scheduled.set(false);
        List<Waiting> all = new ArrayList<>();
        for (Waiting next = waiting.poll(); next != null; next = waiting.poll()) {
            all.add(next);
        }
        // all of these requests arrived before the first rendering begins
        Map<String, Answer> rendered = new HashMap<>();
        all.forEach(next -> next.exchange.safely(
                () -> next.exchange.answer(rendered.computeIfAbsent(Exposition.format(next.accept), this::render))));
    }

    private Answer render(String format) {
        try {
            Exposition exposition = metrics.expose(format);
            Answer answer = new Answer(200, exposition.contentType(), exposition.text(), List.of());
            usualBytes = answer.heldBytes();
            return answer;
        } catch (RuntimeException | Error e) {
            log.error("the metrics could not be rendered; the scrape was answered 500", e);
            return Answer.error(500, "internal error");
        }
    }

    @Override
    public void close() {
        thread.shutdown();
    }
}
