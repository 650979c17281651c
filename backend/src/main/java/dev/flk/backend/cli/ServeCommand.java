// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import ch.qos.logback.classic.Level;
import dev.flk.backend.cli.CommandLineProgram.Service;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.SigningConfig;
import dev.flk.program.logging.LogOutput;
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

    /** Lettuce and Hikari warn of each connection that breaks, Flyway of each migration that fails, which the store says in a line, once. */
    private static final LogOutput.Style LOG_STYLE = new LogOutput.Style(
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - " + LogOutput.MESSAGE + "%n",
            Map.of(
                    "io.netty", Level.WARN,
                    "org.rocksdb", Level.WARN,
                    "reactor", Level.WARN,
                    "io.lettuce", Level.WARN,
                    "io.lettuce.core.RedisClient", Level.ERROR,
                    "com.zaxxer.hikari", Level.ERROR,
                    "org.flywaydb", Level.OFF),
            "dev.flk.backend.ingest");

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
        LogOutput.configure(read.log(), LOG_STYLE);
        if (read.signing() instanceof SigningConfig.Off) {
            log.warn("PCS_SIGN_ALG=none: signatures are not checked, whoever reaches the port can submit");
        }
        service.run(read);
        return ExitCode.OK;
    }
}
