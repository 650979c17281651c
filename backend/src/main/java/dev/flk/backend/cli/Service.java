// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.BackendConfig;
import java.io.IOException;

/** What {@code serve} runs. */
@FunctionalInterface
public interface Service {
    /**
     * Serves until the process is told to stop.
     *
     * @throws IOException if it can't start; the message says what to do
     */
    void run(BackendConfig config) throws IOException, InterruptedException;
}
