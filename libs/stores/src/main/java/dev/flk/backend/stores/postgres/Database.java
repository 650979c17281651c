// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;

/** The connections to a Postgres server. Safe for any thread. */
public interface Database extends AutoCloseable {
    /**
     * Brings the tables up to date; must be called before a connection or a read is requested.
     *
     * @throws RuntimeException if a migration of the tables fails
     */
    void prepare() throws SQLException;

    /** Returns the time-out of a statement. */
    Duration statementTimeout();

    /**
     * Waits until a read may take a connection, so that reads always leave one connection for commits. Returns false if
     * no connection is free in time; if it returns true, the caller must call {@link #endRead}.
     */
    boolean beginRead() throws InterruptedException;

    /** Ends a read, after its connection was closed. */
    void endRead();

    /**
     * Returns a connection from a bounded pool; waits for a free one, for a limited time. Closing the connection
     * returns it to the pool.
     *
     * @param sinceNanos the {@link System#nanoTime} at which the caller began to wait for a connection. It is used only
     *     to measure the wait, and does not affect the time limit
     */
    Connection connection(long sinceNanos) throws SQLException;

    /** Returns a new connection outside the pool, which the caller must close. */
    Connection ownConnection() throws SQLException;

    /** Waits up to {@code millis} for notices on a listening connection; returns whether any arrived. */
    boolean awaitNotices(Connection listening, int millis) throws SQLException;

    /** Returns a message with the problem and what to do, without user names, passwords or row contents. */
    String what(Exception failure);

    @Override
    void close();
}
