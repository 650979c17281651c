// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.parts.OpenedParts;
import dev.flk.program.time.SteadyClock;
import java.time.InstantSource;

/**
 * The things that every part of a backend uses.
 *
 * @param instance the id of this process: 16 hex digits, random for each start
 * @param parts the list to which each opened part is added, so that it is closed
 * @param steady the clock of everything that expires
 */
record Common(
        String instance,
        BackendConfig config,
        BackendMetrics metrics,
        OpenedParts parts,
        Reloads reloads,
        InstantSource clock,
        SteadyClock steady,
        Audit audit) {}
