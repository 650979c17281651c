// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.time.SteadyClock;
import java.time.InstantSource;

/**
 * What every part of a backend is opened with.
 *
 * @param parts receives what is opened, so that it is closed
 * @param steady the clock of everything that expires
 */
record Base(
        BackendConfig config,
        BackendMetrics metrics,
        Parts parts,
        Reloads reloads,
        InstantSource clock,
        SteadyClock steady,
        Audit audit) {}
