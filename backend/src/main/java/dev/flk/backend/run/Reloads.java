// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.config.BackendConfig;
import dev.flk.program.cli.ReloadSignal;
import dev.flk.program.config.InvalidConfig;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The actions of a SIGHUP, which reads the configuration and the configured files again. */
final class Reloads {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private final ReloadSignal signal = ReloadSignal.listen();
    private final Limits limits;
    private BackendConfig inForce;

    /** @param again a function that reads the configuration again */
    Reloads(BackendConfig config, Supplier<BackendConfig> again, Limits limits) {
        this.inForce = config;
        this.limits = limits;
        signal.add(() -> takeAgain(again));
    }

    /** Adds an action of each SIGHUP. */
    void add(Runnable action) {
        signal.add(action);
    }

    /** Adds the reading of files that are also read when they change, without the signal. */
    void addFiles(Runnable read) {
        signal.problem().ifPresent(problem -> LOG.warn("{}; changed files are detected without the signal", problem));
        signal.add(read);
    }

    /**
     * Reads the configuration again and applies its reloadable settings. If the configuration has a mistake, nothing
     * changes.
     */
    private synchronized void takeAgain(Supplier<BackendConfig> again) {
        try {
            BackendConfig next = again.get();
            BackendConfig.Changes changes = inForce.changesTo(next);
            limits.change(next.limit());
            inForce = inForce.withTakenFrom(next);
            LOG.info(
                    "SIGHUP: {}",
                    changes.taken().isEmpty()
                            ? "no reloadable setting has changed"
                            : "applied: " + String.join(", ", changes.taken()));
            if (!changes.needRestart().isEmpty()) {
                LOG.warn("SIGHUP: these changes need a restart: {}", String.join(", ", changes.needRestart()));
            }
        } catch (InvalidConfig e) {
            e.problems().forEach(problem -> LOG.error("SIGHUP: {}; all settings stay as they were", problem));
        }
    }
}
