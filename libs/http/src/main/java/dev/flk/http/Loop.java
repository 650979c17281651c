// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.AnswerOrder.DateHeader;
import dev.flk.http.EventStream.CloseReason;
import io.netty.channel.EventLoop;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An event loop with its connections and the resources that they share. All methods must be called on that loop, except
 * where a method says otherwise.
 */
final class Loop {
    private static final Logger log = LoggerFactory.getLogger(Loop.class);

    /** The maximum number of connections that are looked at to find one that may be replaced. */
    private static final int MAX_LOOKS = 1_000;

    private final EventLoop eventLoop;
    private final LongSupplier nanoTicker;
    private final ThreadPoolExecutor longBodies;
    private final DateHeader date;
    private final Set<Connection> connections = new LinkedHashSet<>();
    private final CompletableFuture<Void> finished = new CompletableFuture<>();
    /** The answers, streams and notices of new chunks that any thread has handed over. */
    private final Queue<Ready> ready = new ConcurrentLinkedQueue<>();

    private final AtomicBoolean deliveryScheduled = new AtomicBoolean();
    private boolean finishing;

    /**
     * An exchange whose connection has something to write.
     *
     * @param before an action that runs on this loop before the connection writes
     * @param instead an action that replaces {@code before} if the server has been closed; safe for any thread
     */
    private record Ready(Exchange exchange, Runnable before, Runnable instead) {}

    /** @param longBodies the pool of threads that process long bodies, which would block an event loop for too long */
    Loop(EventLoop eventLoop, ThreadPoolExecutor longBodies, InstantSource clock, LongSupplier nanoTicker) {
        this.eventLoop = eventLoop;
        this.nanoTicker = nanoTicker;
        this.longBodies = longBodies;
        this.date = new DateHeader(clock);
    }

    /** Returns an executor whose tasks run after this loop has read all its connections in the current iteration. */
    Executor afterReading() {
        return eventLoop;
    }

    /**
     * Completes an exchange with an answer that is rendered on this loop. Answers that are added before the loop runs
     * again share one wake-up of the loop, and one flush per connection. Safe for any thread; never throws.
     */
    void answer(Exchange exchange, Supplier<Answer> answer) {
        // if the server has been closed, all connections are closed too, so no client waits for the answer
        add(new Ready(exchange, () -> completeIfUnanswered(exchange, answer), () -> {}));
    }

    private static void completeIfUnanswered(Exchange exchange, Supplier<Answer> answer) {
        if (!exchange.isAnswered()) {
            exchange.complete(render(answer));
        }
    }

    /** Completes an exchange with an event stream. Safe for any thread; never throws. */
    void open(Exchange exchange, EventStream stream) {
        add(new Ready(exchange, () -> exchange.complete(stream), () -> stream.discard(CloseReason.STOPPED)));
    }

    /**
     * Updates the connection of an exchange after its event stream has queued a chunk or was closed. Safe for any
     * thread; never throws.
     */
    void write(Exchange exchange) {
        add(new Ready(exchange, () -> {}, () -> {}));
    }

    private void add(Ready next) {
        ready.add(next);
        if (deliveryScheduled.compareAndSet(false, true)) {
            try {
                eventLoop.execute(this::deliver);
            } catch (RejectedExecutionException e) {
                deliveryScheduled.set(false);
                for (Ready lost = ready.poll(); lost != null; lost = ready.poll()) {
                    lost.instead.run();
                }
            }
        }
    }

    private void deliver() {
        // the flag is reset before the queue is read, so that an answer that is added afterwards schedules another
        // delivery
        deliveryScheduled.set(false);
        List<Connection> touched = new ArrayList<>();
        for (Ready next = ready.poll(); next != null; next = ready.poll()) {
            next.before.run();
            touched.add(next.exchange.connection());
        }
        touched.forEach(Connection::writeReady);
    }

    private static Answer render(Supplier<Answer> answer) {
        try {
            return answer.get();
        } catch (RuntimeException | Error e) {
            log.error("an answer could not be rendered; its request was answered 500", e);
            return Refusal.internalError();
        }
    }

    /**
     * Runs {@code work} on a thread for long bodies, then {@code done} on this loop; returns false if too many tasks
     * are queued.
     */
    boolean runElsewhere(Runnable work, Runnable done) {
        try {
            longBodies.execute(() -> {
                work.run();
                eventLoop.execute(done);
            });
            return true;
        } catch (RejectedExecutionException e) {
            return false;
        }
    }

    /**
     * Runs {@code task} on this loop later; on the calling thread if the server has been closed. Safe for any thread.
     */
    void run(Runnable task) {
        try {
            eventLoop.execute(task);
        } catch (RejectedExecutionException e) {
            task.run();
        }
    }

    /** Returns the monotonic time in nanoseconds. Safe for any thread. */
    long nowNanos() {
        return nanoTicker.getAsLong();
    }

    DateHeader date() {
        return date;
    }

    /** Runs {@code task} after this loop has read its other connections and has run all tasks that are due now. */
    void runNext(Runnable task) {
        runLater(task, Duration.ZERO);
    }

    /** Runs {@code task} on this loop after {@code delay}. */
    void runLater(Runnable task, Duration delay) {
        eventLoop.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
    }

    void add(Connection connection) {
        connections.add(connection);
        if (finishing) {
            connection.finish();
        }
    }

    void remove(Connection connection) {
        connections.remove(connection);
        completeIfFinished();
    }

    /**
     * Closes the oldest connection that may be replaced by a new one; returns false if this loop has none. Connections
     * that may not be replaced are moved to the end, so that they are not looked at again and again.
     */
    boolean closeReplaceable() {
        for (int looks = Math.min(MAX_LOOKS, connections.size()); looks > 0; looks--) {
            Connection oldest = connections.iterator().next();
            if (oldest.visitor().isReplaceable()) {
                oldest.closeAtOnce();
                return true;
            }
            connections.remove(oldest);
            connections.add(oldest);
        }
        return false;
    }

    /** Starts checking for slow connections about every {@code period}. Safe for any thread. */
    void tickEvery(Duration period) {
        long nanos = period.toNanos();
        eventLoop.scheduleWithFixedDelay(this::tick, nanos, nanos, TimeUnit.NANOSECONDS);
    }

    /**
     * Makes every connection serve its requests in progress and then close. The returned future completes when the last
     * connection is closed. Safe for any thread.
     */
    CompletableFuture<Void> finish() {
        eventLoop.execute(() -> {
            finishing = true;
            List.copyOf(connections).forEach(Connection::finish);
            completeIfFinished();
        });
        return finished;
    }

    /** Closes all open connections. Safe for any thread. */
    void closeAll() {
        eventLoop.execute(() -> {
            List.copyOf(connections).forEach(Connection::close);
        });
    }

    private void completeIfFinished() {
        if (finishing && connections.isEmpty()) {
            finished.complete(null);
        }
    }

    /**
     * Checks all connections for timeouts. If the check of a connection throws, closes only that connection. This
     * method must not throw, because the event loop would cancel all further checks.
     */
    private void tick() {
        long now = nanoTicker.getAsLong();
        for (Connection connection : List.copyOf(connections)) {
            try {
                connection.tick(now);
            } catch (RuntimeException | Error e) {
                connection.fail(e);
            }
        }
    }
}
