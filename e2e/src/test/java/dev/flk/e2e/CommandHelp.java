// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the two jars say about their commands, each asked within this JVM, which spares some dozens of starts. */
final class CommandHelp implements AutoCloseable {
    private final URLClassLoader backend;
    private final URLClassLoader agent;
    private final Map<List<String>, String> asked = new HashMap<>();

    CommandHelp() throws Exception {
        backend = jar("flk-backend");
        agent = jar("flk-agent");
    }

    private static URLClassLoader jar(String name) throws Exception {
        return new URLClassLoader(new URL[] {Built.jar(name).toUri().toURL()}, ClassLoader.getPlatformClassLoader());
    }

    /** What {@code PROGRAM WORD… -h} prints; the program is {@code backend} or {@code agent}. */
    synchronized String of(String program, List<String> words) {
        List<String> key = Stream.concat(Stream.of(program), words.stream()).toList();
        return asked.computeIfAbsent(key, any -> {
            String[] arguments = Stream.concat(words.stream(), Stream.of("-h")).toArray(String[]::new);
            try {
                return program.equals("backend") ? askBackend(arguments) : askAgent(arguments);
            } catch (ReflectiveOperationException e) {
                throw new LinkageError(key.toString(), e);
            }
        });
    }

    /** Whether that program has a command of that name below these words. */
    boolean hasCommand(String program, List<String> words, String name) {
        return Pattern.compile("(?m)^  " + Pattern.quote(name) + "( |$)")
                .matcher(of(program, words))
                .find();
    }

    boolean hasOption(String program, List<String> words, String option) {
        return Pattern.compile("(?<![a-z-])" + Pattern.quote(option) + "(?![a-z-])")
                .matcher(of(program, words))
                .find();
    }

    private String askBackend(String... arguments) throws ReflectiveOperationException {
        Class<?> type = backend.loadClass("dev.flk.backend.cli.CommandLineProgram");
        Class<?> service = backend.loadClass("dev.flk.backend.cli.Service");
        Object neverServes = Proxy.newProxyInstance(backend, new Class<?>[] {service}, (proxy, method, given) -> {
            throw new UnsupportedOperationException(method.getName());
        });
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintWriter printer = new PrintWriter(out, true, StandardCharsets.UTF_8);
        Object program = type.getConstructor(Map.class, service, PrintWriter.class, PrintWriter.class)
                .newInstance(Map.of(), neverServes, printer, printer);
        type.getMethod("run", String[].class).invoke(program, (Object) arguments);
        return out.toString(StandardCharsets.UTF_8);
    }

    private String askAgent(String... arguments) throws ReflectiveOperationException {
        Class<?> type = agent.loadClass("dev.flk.agent.cli.FlkAgent");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream printer = new PrintStream(out, true, StandardCharsets.UTF_8);
        Object program = type.getConstructor(Map.class, InputStream.class, PrintStream.class, PrintStream.class)
                .newInstance(Map.of(), new ByteArrayInputStream(new byte[0]), printer, printer);
        type.getMethod("run", String[].class).invoke(program, (Object) arguments);
        return out.toString(StandardCharsets.UTF_8);
    }

    @Override
    public void close() throws IOException {
        backend.close();
        agent.close();
    }
}
