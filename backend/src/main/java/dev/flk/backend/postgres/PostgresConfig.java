// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import dev.flk.program.config.Secret;
import java.time.Duration;

/**
 * A server that several backends may share.
 *
 * @param jdbcUrl without user and password
 * @param user empty: the name of the account that the backend runs under
 * @param poolSize connections at most
 * @param timeout how long a statement may take, and a connection to come up
 */
public record PostgresConfig(String jdbcUrl, String user, Secret password, int poolSize, Duration timeout) {

    /** {@code host:port/database}: all of the URL that may be shown, since its parameters may hold secrets, as that of a key file. */
    public String server() {
        int query = jdbcUrl.indexOf('?');
        return jdbcUrl.substring(jdbcUrl.indexOf("//") + 2, query < 0 ? jdbcUrl.length() : query);
    }

    @Override
    public String toString() {
        return "Postgres[%s, poolSize=%d, timeout=%s]".formatted(server(), poolSize, timeout);
    }
}
