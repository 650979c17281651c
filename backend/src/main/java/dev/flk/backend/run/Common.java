// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.time.SteadyClock;
import java.time.InstantSource;

/**
 * The things that every part of a backend uses.
 *
 * @param parts the list to which each opened part is added, so that it is closed
 * @param instance the id of this process, 16 hex digits, drawn at its start
 * @param steady the clock of everything that expires
 */
record Common(
        BackendConfig config,
        BackendMetrics metrics,
        OpenedParts parts,
        Reloads reloads,
        InstantSource clock,
        SteadyClock steady,
        Audit audit,
        String instance) {}
