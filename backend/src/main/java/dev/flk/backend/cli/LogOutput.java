// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import dev.flk.backend.config.LogConfig;
import java.nio.charset.StandardCharsets;
import net.logstash.logback.encoder.LogstashEncoder;
import org.slf4j.LoggerFactory;

/**
 * Log lines: on standard error, so that a command's result can be piped; in UTF-8 whatever the locale; one event a line,
 * stack traces apart.
 */
final class LogOutput {
    private static final String CLEAN = "clean";
    private static final String TEXT_LINE =
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - %" + CLEAN + "%n";

    /** It has a line for each certificate. */
    private static final String INGEST = "dev.flk.backend.ingest";

    /** Libraries tell more than an operator wants to know. */
    private static final String[] QUIET = {"io.lettuce", "io.netty", "org.rocksdb", "reactor"};

    /** These warn of each connection that broke, and of each Sentinel at each try, which the store tells in a line, once. */
    private static final String[] MUTE = {"com.zaxxer.hikari", "io.lettuce.core.RedisClient"};

    /** What it tells of a migration that failed, with its stack trace, the store tells in a line. */
    private static final String SILENT = "org.flywaydb";

    private LogOutput() {}

    static void configure(LogConfig config) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        context.reset();
        StandardError standardError = new StandardError(encoder(config.format(), context), INGEST);
        standardError.setContext(context);
        standardError.start();
        Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.valueOf(config.level().name()));
        root.addAppender(standardError);
        for (String library : QUIET) {
            Level quiet = root.getLevel().isGreaterOrEqual(Level.WARN) ? root.getLevel() : Level.WARN;
            context.getLogger(library).setLevel(quiet);
        }
        for (String library : MUTE) {
            context.getLogger(library).setLevel(Level.ERROR);
        }
        context.getLogger(SILENT).setLevel(Level.OFF);
    }

    private static Encoder<ILoggingEvent> encoder(LogConfig.Format format, LoggerContext context) {
        return switch (format) {
            case TEXT -> {
                PatternLayout layout = new PatternLayout();
                layout.getInstanceConverterMap().put(CLEAN, CleanMessage::new);
                layout.setContext(context);
                layout.setPattern(TEXT_LINE);
                layout.start();
                LayoutWrappingEncoder<ILoggingEvent> encoder = new LayoutWrappingEncoder<>();
                encoder.setContext(context);
                encoder.setLayout(layout);
                encoder.setCharset(StandardCharsets.UTF_8);
                encoder.start();
                yield encoder;
            }
            case JSON -> {
                LogstashEncoder encoder = new LogstashEncoder();
                encoder.setContext(context);
                encoder.setTimeZone("UTC");
                encoder.start();
                yield encoder;
            }
        };
    }
}
