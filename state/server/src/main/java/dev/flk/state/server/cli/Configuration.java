// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import ch.qos.logback.classic.Level;
import dev.flk.program.cli.ConfigFile;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.state.server.config.ServerConfig;
import java.util.Map;

/** The configuration of {@code flk-state}, as its commands read it. */
final class Configuration extends ConfigFile {
    /**
     * The form of log lines. Warnings of libraries about each broken connection are suppressed, because each of these
     * failures is reported once, in one line; and any client can cause log lines of gRPC below ERROR.
     */
    static final LogOutput.Style LOG_STYLE = new LogOutput.Style(
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - " + LogOutput.MESSAGE + "%n",
            Map.of(
                    "io.netty", Level.WARN,
                    "io.grpc", Level.ERROR,
                    "io.grpc.internal.SerializingExecutor", Level.OFF,
                    "org.rocksdb", Level.WARN,
                    "reactor", Level.WARN,
                    "io.lettuce", Level.WARN,
                    "io.lettuce.core.RedisClient", Level.ERROR,
                    "com.zaxxer.hikari", Level.ERROR,
                    "org.flywaydb", Level.OFF),
            null);

    Configuration(Map<String, String> environment) {
        super(environment);
    }

    /** Reads the complete configuration. */
    ServerConfig load() {
        return read(ServerConfig::load);
    }

    /** Reads it for a command that reports failures itself, and raises the log level so that the log does not. */
    ServerConfig loadQuietly() {
        ServerConfig config = load();
        logOnlyErrors(config.log().format());
        return config;
    }

    /** Raises the log level, so that failures are reported only by the exception and not also in the log. */
    static void logOnlyErrors(LogConfig.Format format) {
        LogOutput.configure(new LogConfig(org.slf4j.event.Level.ERROR, format), LOG_STYLE);
    }
}
