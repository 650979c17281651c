// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import ch.qos.logback.classic.LoggerContext;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.LoggerFactory;
import org.slf4j.bridge.SLF4JBridgeHandler;

/**
 * The standard error of this JVM, to which programs log. While one runs, its lines go to the readers
 * instead of the console.
 */
final class CapturedLog extends OutputStream {
    static final CapturedLog OF_JVM = new CapturedLog(System.err);

    private final PrintStream console;
    private final List<Lines> readers = new CopyOnWriteArrayList<>();
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    private CapturedLog(PrintStream console) {
        this.console = console;
        System.setErr(new PrintStream(this, true, StandardCharsets.UTF_8));
        // the class path may contain a configuration of logging for the tests of another module
        ((LoggerContext) LoggerFactory.getILoggerFactory()).reset();
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
    }

    void addReader(Lines reader) {
        readers.add(reader);
    }

    void removeReader(Lines reader) {
        readers.remove(reader);
    }

    @Override
    public synchronized void write(int b) {
        if (readers.isEmpty()) {
            console.write(b);
        } else if (b == '\n') {
            String text = line.toString(StandardCharsets.UTF_8);
            line.reset();
            readers.forEach(reader -> reader.add(text));
        } else {
            line.write(b);
        }
    }

    @Override
    public void flush() {
        console.flush();
    }
}
