// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.state.StateEngine;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * The settings of the state of agents.
 *
 * @param port the port to listen on; 0 picks any free port
 * @param bindAddress the address or name of the interface to listen on
 * @param tokensFile the callers and their rights; empty if everyone may do everything
 * @param engine the limits of the engine
 * @param cacheBytes the size of the read cache, or of all data if the state is in memory
 * @param directory the directory of the embedded state; empty if the state is in memory or in Postgres
 * @param postgres the server, if the state is in Postgres
 * @param knownHistory the file that remembers the last known revision of the state in Postgres; empty if it is not in
 *     Postgres
 * @param history how long overwritten or deleted values are kept; empty to keep them forever
 * @param keepsRecord whether the state contains the record of outcomes
 * @param recordHistory how long an outcome stays in the record
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
    /** The default address: without tokens, only this machine has access, unless STATE_AUTH says otherwise. */
    public static final String LOOPBACK = "127.0.0.1";

    /** The time-out of a call to Postgres. */
    public static final Duration POSTGRES_TIMEOUT = Duration.ofSeconds(3);

    /** Returns the value of STATE_ENGINE. */
    public String engineName() {
        return postgres.isPresent() ? "postgres" : directory.isPresent() ? "embedded" : "memory";
    }

    /** Returns whether strangers may have access. */
    public boolean openToAll() {
        return tokensFile.isEmpty() && !bindAddress.equals(LOOPBACK);
    }
}
