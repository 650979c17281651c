// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code flk-backend} without a command: serves. */
@Command(
        name = CommandLineProgram.NAME,
        description = "Takes signed certificates, checks and logs them, and records each outcome once.",
        footer = "Without a command it serves. Configuration comes from the environment and --config.",
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class BackendCommand implements Callable<Integer> {
    private final ServeCommand serve;

    BackendCommand(ServeCommand serve) {
        this.serve = serve;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        return serve.call();
    }
}
