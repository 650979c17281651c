// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import java.sql.Connection;
import java.sql.SQLException;

/** How a server is reached. Any thread. */
public interface StateDatabase extends AutoCloseable {
    /** Where the scripts are that make the tables, on the class path. */
    String MIGRATIONS = "dev/flk/state/postgres/schema";

    /**
     * Brings the tables up to date, before anything else.
     *
     * @throws RuntimeException as well, if they can't be made
     */
    void prepare() throws SQLException;

    /** How many connections there are at most. */
    int connections();

    /** One of a bounded number, given back by closing it; waits for one, but not for ever. */
    Connection connection() throws SQLException;

    /** One beside them. */
    Connection ownConnection() throws SQLException;

    /** Waits for notices on a connection that listens; whether any came. */
    boolean awaitNotices(Connection listening, int millis) throws SQLException;

    /** What went wrong and what to do, in words, without names of users, passwords or rows. */
    String what(Exception failure);

    @Override
    void close();
}
