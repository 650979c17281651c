// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.CommandLineProgram.Service;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.SigningConfig;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;

/** {@code serve}: runs the backend until it is told to stop. */
@Command(
        name = "serve",
        description = "Serves until it is told to stop (the default).",
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class ServeCommand implements Callable<Integer> {
    private static final Logger log = LoggerFactory.getLogger(ServeCommand.class);

    private final Map<String, String> environment;
    private final Service service;

    private final ConfigOption config;

    ServeCommand(Map<String, String> environment, Service service, ConfigOption config) {
        this.environment = environment;
        this.service = service;
        this.config = config;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        BackendConfig read = BackendConfig.load(environment, config.file);
        LogOutput.configure(read.log());
        if (read.signing() instanceof SigningConfig.Off) {
            log.warn("PCS_SIGN_ALG=none: signatures are not checked, whoever reaches the port can submit");
        }
        service.run(read);
        return ExitCode.OK;
    }
}
