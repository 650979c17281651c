// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.backend.stores.postgres.Database;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Notices by which the backends that share a database learn of each other's commits. A notice may be lost without harm:
 * every backend reads the newest revision from the table about once a second anyway, and a notice only makes this read
 * happen earlier. Notices use a connection of their own, because Postgres takes a server-wide lock to commit a notice;
 * commits in quick succession share one notice.
 */
final class Notices implements AutoCloseable {
    private static final String CHANNEL = "flk_state";
    private static final int WAIT_MILLIS = 20;
    private static final int LOOK_EVERY_WAITS = 50;
    private static final long AFTER_FAILURE_MILLIS = 500;
    private static final long CLOSE_MILLIS = 2_000;

    private final Database database;
    private final AtomicBoolean isDue = new AtomicBoolean();
    private volatile LongConsumer listener = newest -> {};
    private final CountDownLatch over = new CountDownLatch(1);
    // guarded by this
    private @Nullable Thread thread;

    Notices(Database database) {
        this.database = database;
    }

    void setListener(LongConsumer consumer) {
        listener = consumer;
    }

    /** Starts the thread; does nothing if it is running, or after {@link #close}. */
    synchronized void start() {
        if (thread == null && over.getCount() > 0) {
            thread = new Thread(this::run, "state-notices");
            thread.setDaemon(true);
            thread.start();
        }
    }

    /** Schedules a notice to the other backends. */
    void give() {
        isDue.set(true);
    }

    private void run() {
        while (over.getCount() > 0) {
            try (Connection own = database.ownConnection();
                    Statement statement = own.createStatement()) {
                statement.execute("LISTEN " + CHANNEL);
                listen(own, statement);
            } catch (SQLException | RuntimeException e) {
                pause(); // the error is not reported here, because reads and commits report problems of the server
            }
        }
    }

    private void listen(Connection own, Statement statement) throws SQLException {
        for (int waits = 0; over.getCount() > 0; waits++) {
            if (isDue.getAndSet(false)) {
                statement.execute("NOTIFY " + CHANNEL);
            }
            if (database.awaitNotices(own, WAIT_MILLIS) || waits % LOOK_EVERY_WAITS == 0) {
                try (ResultSet row = statement.executeQuery("SELECT revision FROM flk_state")) {
                    if (row.next()) {
                        listener.accept(row.getLong(1));
                    }
                }
            }
        }
    }

    private void pause() {
        try {
            over.await(AFTER_FAILURE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            over.countDown(); // nothing interrupts this thread
        }
    }

    @Override
    public void close() {
        Thread running;
        synchronized (this) {
            over.countDown();
            running = thread;
        }
        try {
            if (running != null) {
                running.join(CLOSE_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
