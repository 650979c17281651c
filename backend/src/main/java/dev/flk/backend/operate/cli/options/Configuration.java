// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.options;

import ch.qos.logback.classic.Level;
import dev.flk.backend.config.BackendConfig;
import dev.flk.program.cli.ConfigFile;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.util.Map;

/** The configuration of a backend, as its commands read it. */
public final class Configuration extends ConfigFile {
    /**
     * The form of log lines. Lettuce, Hikari and Kafka's client warn about each broken connection, and Flyway warns about
     * each failed migration. These warnings are suppressed, because each of these failures is reported once, in one line.
     */
    public static final LogOutput.Style LOG_STYLE = new LogOutput.Style(
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - " + LogOutput.MESSAGE + "%n",
            Map.of(
                    "io.netty", Level.WARN,
                    // any client can cause log lines of io.grpc below ERROR, and of SerializingExecutor at any level;
                    // these lines are suppressed
                    "io.grpc", Level.ERROR,
                    "io.grpc.internal.SerializingExecutor", Level.OFF,
                    "org.rocksdb", Level.WARN,
                    "reactor", Level.WARN,
                    "io.lettuce", Level.WARN,
                    "io.lettuce.core.RedisClient", Level.ERROR,
                    "com.zaxxer.hikari", Level.ERROR,
                    "org.apache.kafka", Level.ERROR,
                    "org.flywaydb", Level.OFF),
            "dev.flk.backend.ingest");

    public Configuration(Map<String, String> environment) {
        super(environment);
    }

    /** Reads the complete configuration. */
    public BackendConfig load() {
        return read(BackendConfig::load);
    }

    /**
     * Reads the complete configuration for a command that reports failures itself, and raises the log level so that the
     * log does not repeat them.
     */
    public BackendConfig loadQuietly() {
        BackendConfig config = load();
        logOnlyErrors(config.log().format());
        return config;
    }

    /** Raises the log level, so that failures are reported only by the exception and not also in the log. */
    public static void logOnlyErrors(LogConfig.Format format) {
        LogOutput.configure(new LogConfig(org.slf4j.event.Level.ERROR, format), LOG_STYLE);
    }
}
