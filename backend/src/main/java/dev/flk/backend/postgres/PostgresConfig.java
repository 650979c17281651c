// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import dev.flk.program.config.Secret;
import java.time.Duration;

/**
 * The connection settings of a Postgres server, which several backends may share.
 *
 * @param jdbcUrl the URL without user and password
 * @param user the user; if empty, the account that the backend runs under
 * @param poolSize the maximum number of connections
 * @param timeout the time-out of a statement, and of connecting
 */
public record PostgresConfig(String jdbcUrl, String user, Secret password, int poolSize, Duration timeout) {

    /** Returns {@code host:port/database}, the part of the URL that contains no secrets. */
    public String server() {
        int query = jdbcUrl.indexOf('?');
        return jdbcUrl.substring(jdbcUrl.indexOf("//") + 2, query < 0 ? jdbcUrl.length() : query);
    }

    @Override
    public String toString() {
        return "Postgres[%s, poolSize=%d, timeout=%s]".formatted(server(), poolSize, timeout);
    }
}
