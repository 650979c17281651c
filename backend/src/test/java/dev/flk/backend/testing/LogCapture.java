// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.testing;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.LoggerFactory;

/** The lines of a package from WARN on, as {@code LEVEL text}, while it is open. */
public final class LogCapture extends AppenderBase<ILoggingEvent> implements AutoCloseable {
    private final Logger logger;
    private final Level usual;
    private final List<String> lines = new CopyOnWriteArrayList<>();

    public LogCapture(String name) {
        logger = (Logger) LoggerFactory.getLogger(name);
        usual = logger.getLevel();
        logger.setLevel(Level.WARN);
        setContext(logger.getLoggerContext());
        start();
        logger.addAppender(this);
    }

    @Override
    protected void append(ILoggingEvent event) {
        lines.add(event.getLevel() + " " + event.getFormattedMessage());
    }

    /** The lines that contain this text. */
    public List<String> lines(String part) {
        return lines.stream().filter(line -> line.contains(part)).toList();
    }

    @Override
    public void close() {
        logger.detachAppender(this);
        logger.setLevel(usual);
    }
}
