// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.state.StateEngine;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * The state of agents.
 *
 * @param port to listen on; 0 takes any free one
 * @param bindAddress address or name of the interface to listen on
 * @param tokensFile who may do what; empty: everyone everything
 * @param engine how much is taken
 * @param cacheBytes of what was read; of all, where the state is in memory
 * @param directory of the embedded state; empty: in memory, or in Postgres
 * @param postgres where the state is in Postgres
 * @param knownHistory the file that remembers how far the state in Postgres is; empty: the state is not in Postgres
 * @param history how long what was overwritten or deleted is kept; empty: for ever
 * @param keepsRecord whether it has the record of outcomes
 * @param recordHistory how long an outcome stays in it
 */
public record StateConfig(
        int port,
        String bindAddress,
        Optional<Path> tokensFile,
        StateEngine.Settings engine,
        int cacheBytes,
        Optional<Path> directory,
        Optional<PostgresConfig> postgres,
        Optional<Path> knownHistory,
        Optional<Duration> history,
        boolean keepsRecord,
        Duration recordHistory) {
    /** What nobody needs a token for is for this machine only, unless STATE_AUTH says otherwise. */
    public static final String LOOPBACK = "127.0.0.1";

    /** How long a call to Postgres may take. */
    public static final Duration POSTGRES_TIMEOUT = Duration.ofSeconds(3);

    /** The value of STATE_ENGINE. */
    public String engineName() {
        return postgres.isPresent() ? "postgres" : directory.isPresent() ? "embedded" : "memory";
    }

    /** Whether strangers may reach it. */
    public boolean openToAll() {
        return tokensFile.isEmpty() && !bindAddress.equals(LOOPBACK);
    }
}
