// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A server on a free port, ready when it is given out. */
public record Server(Program program, int port) implements Closeable {
    private static final String LISTENING = "listening on ";
    private static final String READY = "ready: submissions are taken";

    /** The HMAC secret of every backend here. */
    public static final String SECRET = "bench-key";

    /** The bare Netty server. */
    public static Server bare(Path directory) throws IOException, InterruptedException {
        Program program = Program.java(
                "bare", directory, Map.of(), List.of("-cp", Jars.own().toString(), BareServer.class.getName()));
        return new Server(program, port(program));
    }

    /** The backend with its data in a directory, as by default but for {@code TOKEN_RATE} and what is given. */
    public static Server backend(Path directory, List<String> jvmOptions, Map<String, String> more)
            throws IOException, InterruptedException {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("PORT", "0");
        environment.put("BIND_ADDR", "127.0.0.1");
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", SECRET);
        environment.put("TOKEN_RATE", "10000000");
        environment.putAll(more);
        List<String> arguments = new ArrayList<>(jvmOptions);
        arguments.addAll(List.of("-jar", Jars.of("backend").toString()));
        Program program = Program.java("backend", directory, environment, arguments);
        int port = port(program);
        var unused = program.awaitLine(line -> line.contains(READY));
        return new Server(program, port);
    }

    private static int port(Program program) throws IOException, InterruptedException {
        String line = program.awaitLine(text -> text.contains(LISTENING));
        return Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
    }

    @Override
    public void close() {
        program.close();
    }
}
