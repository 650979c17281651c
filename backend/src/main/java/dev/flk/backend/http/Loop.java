// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.metrics.Meters;
import io.netty.channel.EventLoop;
import java.time.Duration;
import java.time.InstantSource;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** An event loop with its connections and what they share. Owned by that loop, except where it says otherwise. */
final class Loop {
    private final EventLoop eventLoop;
    private final Meters meters;
    private final LongSupplier nanoTicker;
    private final Turn turn;
    private final Answers answers;
    private final LongBodies longBodies;
    private final DateHeader date;
    private final Set<Connection> connections = new LinkedHashSet<>();
    private final CompletableFuture<Void> finished = new CompletableFuture<>();
    private boolean finishing;

    Loop(
            EventLoop eventLoop,
            Ingest ingest,
            LongBodies longBodies,
            Meters meters,
            InstantSource clock,
            LongSupplier nanoTicker) {
        this.eventLoop = eventLoop;
        this.meters = meters;
        this.nanoTicker = nanoTicker;
        this.turn = new Turn(eventLoop, ingest, meters);
        this.answers = new Answers(eventLoop);
        this.longBodies = longBodies;
        this.date = new DateHeader(clock);
    }

    Turn turn() {
        return turn;
    }

    /** Safe for any thread, as is what it returns. */
    Answers answers() {
        return answers;
    }

    /** Hands these to ingest on a thread for long bodies, then runs {@code done} on this loop; false if too many wait. */
    boolean parseElsewhere(List<Submission> submissions, Runnable done) {
        return longBodies.offer(() -> {
            turn.handOver(submissions);
            eventLoop.execute(done);
        });
    }

    DateHeader date() {
        return date;
    }

    Meters meters() {
        return meters;
    }

    /** Runs {@code task} on this loop after {@code delay}. */
    void runLater(Runnable task, Duration delay) {
        var unused = eventLoop.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
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

    /** From now on looks for connections that are too slow, about every {@code period}. Safe for any thread. */
    void tickEvery(Duration period) {
        long nanos = period.toNanos();
        var unused = eventLoop.scheduleWithFixedDelay(this::tick, nanos, nanos, TimeUnit.NANOSECONDS);
    }

    /** Lets every connection serve what is under way; the future ends with the last of them. Safe for any thread. */
    CompletableFuture<Void> finish() {
        eventLoop.execute(() -> {
            finishing = true;
            List.copyOf(connections).forEach(Connection::finish);
            completeIfFinished();
        });
        return finished;
    }

    /** Closes what is still open. Safe for any thread. */
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

    /** A connection whose tick fails ends alone; thrown from here, it would be the last tick of all. */
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
