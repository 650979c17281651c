// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.options;

import ch.qos.logback.classic.Level;
import dev.flk.backend.config.BackendConfig;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/**
 * The environment and the option {@code --config FILE}, which all commands share. Users may write the option before or
 * after the command's name.
 */
public final class Configuration {
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

    private final Map<String, String> environment;

    @Option(
            names = "--config",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "A properties file with the same names as the environment, which takes precedence.")
    private @Nullable Path file;

    /** A function that reads the configuration or a part of it. It throws {@code InvalidConfig} if it has a problem. */
    public interface Reader<T> {
        /**
         * Reads it.
         *
         * @param file the properties file; null for none
         */
        T read(Map<String, String> environment, @Nullable Path file);
    }

    public Configuration(Map<String, String> environment) {
        this.environment = environment;
    }

    /** Reads the configuration or a part of it. */
    public <T> T read(Reader<T> reader) {
        return reader.read(environment, file);
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
