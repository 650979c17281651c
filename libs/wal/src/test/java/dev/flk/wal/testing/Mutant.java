// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.testing;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * The product with one rule switched off. The code of one class is changed (or of two, where one rule covers for
 * another), and a separate class loader loads it together with all other classes. A test that passes with the changed
 * classes does not check the rule.
 */
public final class Mutant {
    private static final String OURS = "dev.flk.";

    private final String rule;
    private final List<Change> changes;

    private record Change(String className, String method, Function<MethodVisitor, Code> code) {}

    private Mutant(String rule, List<Change> changes) {
        this.rule = rule;
        this.changes = List.copyOf(changes);
    }

    private Mutant(String rule, String className, String method, Function<MethodVisitor, Code> code) {
        this(rule, List.of(new Change(className, method, code)));
    }

    /**
     * Returns a mutant that lacks a rule.
     *
     * @param change the kind of change, a class without {@code dev.flk.}, a method of it, and arguments, as below; several
     *     changes are separated by semicolons
     */
    public static Mutant without(String rule, String change) {
        return Arrays.stream(change.split("; "))
                .map(each -> changed(rule, List.of(each.split(" ", -1))))
                .reduce(Mutant::and)
                .orElseThrow();
    }

    private static Mutant changed(String rule, List<String> words) {
        String className = OURS + words.get(1);
        String method = words.get(2);
        String argument = words.get(3);
        return switch (words.get(0)) {
            case "notCalling" -> notCalling(rule, className, method, argument);
            case "notWriting" -> notWriting(rule, className, method, argument);
            case "returning" -> returning(rule, className, method, Long.parseLong(argument));
            case "giving" -> giving(rule, className, method, argument, Long.parseLong(words.get(4)));
            case "callingInstead" -> callingInstead(rule, className, method, argument, words.get(4));
            case "readingInstead" -> readingInstead(rule, className, method, argument, words.get(4));
            default -> throw new IllegalArgumentException(String.join(" ", words));
        };
    }

    /** Makes the method, including its lambdas, skip its writes of the field {@code written}. */
    private static Mutant notWriting(String rule, String className, String method, String written) {
        return new Mutant(rule, className, method, code -> new Code(code) {
            private boolean found;

            @Override
            public void visitFieldInsn(int opcode, String owner, String name, String descriptor) {
                if (opcode == Opcodes.PUTFIELD && name.equals(written)) {
                    found = true;
                    super.visitInsn(Type.getType(descriptor).getSize() == 2 ? Opcodes.POP2 : Opcodes.POP);
                    super.visitInsn(Opcodes.POP);
                } else {
                    super.visitFieldInsn(opcode, owner, name, descriptor);
                }
            }

            @Override
            boolean hasChanged() {
                return found;
            }
        });
    }

    /** Makes the method, including its lambdas, skip its calls of {@code called}; their result is 0, false or null. */
    public static Mutant notCalling(String rule, String className, String method, String called) {
        return giving(rule, className, method, called, 0);
    }

    /**
     * Does the same as {@link #notCalling}, but the result of a call that returns an integer or a boolean is {@code
     * value}.
     */
    public static Mutant giving(String rule, String className, String method, String called, long value) {
        return new Mutant(rule, className, method, code -> new Calls(code, called) {
            @Override
            void call(int opcode, String owner, String descriptor, boolean isInterface) {
                popCall(opcode, descriptor);
                push(Type.getReturnType(descriptor), value);
            }
        });
    }

    /**
     * Makes the method read the field {@code field} of its own object instead of calling {@code called}, which must
     * return the type of the field. The method must not contain lambdas.
     */
    public static Mutant takingInstead(String rule, String className, String method, String called, String field) {
        return new Mutant(rule, className, method, code -> new Calls(code, called) {
            @Override
            void call(int opcode, String owner, String descriptor, boolean isInterface) {
                popCall(opcode, descriptor);
                mv.visitVarInsn(Opcodes.ALOAD, 0);
                String type = Type.getReturnType(descriptor).getDescriptor();
                mv.visitFieldInsn(Opcodes.GETFIELD, className.replace('.', '/'), field, type);
            }
        });
    }

    /**
     * Makes the method, including its lambdas, call {@code instead}, of the same class and signature, in place of
     * {@code called}.
     */
    public static Mutant callingInstead(String rule, String className, String method, String called, String instead) {
        return new Mutant(rule, className, method, code -> new Calls(code, called) {
            @Override
            void call(int opcode, String owner, String descriptor, boolean isInterface) {
                leave(opcode, owner, instead, descriptor, isInterface);
            }
        });
    }

    /**
     * Makes the method, including its lambdas, read the constant {@code instead}, of the same class, in place of {@code
     * read}.
     */
    public static Mutant readingInstead(String rule, String className, String method, String read, String instead) {
        return new Mutant(rule, className, method, code -> new Code(code) {
            private boolean found;

            @Override
            public void visitFieldInsn(int opcode, String owner, String name, String descriptor) {
                boolean constant = opcode == Opcodes.GETSTATIC && name.equals(read);
                found |= constant;
                super.visitFieldInsn(opcode, owner, constant ? instead : name, descriptor);
            }

            @Override
            boolean hasChanged() {
                return found;
            }
        });
    }

    /** Makes the method, including its lambdas, throw an {@link IOException} in place of calling {@code called}. */
    public static Mutant failingInstead(String rule, String className, String method, String called) {
        return new Mutant(rule, className, method, code -> new Calls(code, called) {
            @Override
            void call(int opcode, String owner, String descriptor, boolean isInterface) {
                popCall(opcode, descriptor);
                // an inline throw would make the code after it unreachable, which requires a stack map frame
                mv.visitMethodInsn(Opcodes.INVOKESTATIC, Type.getInternalName(Mutant.class), "fail", "()V", false);
                push(Type.getReturnType(descriptor), 0);
            }
        });
    }

    /** Makes the method do nothing but return {@code value}, or null if it returns an object. */
    public static Mutant returning(String rule, String className, String method, long value) {
        return new Mutant(rule, className, method, code -> new Constant(code, value));
    }

    /** Switches off another rule as well, which covers for this one. */
    public Mutant and(Mutant other) {
        List<Change> both = new ArrayList<>(changes);
        both.addAll(other.changes);
        return new Mutant(rule + "; and " + other.rule, both);
    }

    /** Throws an exception on behalf of changed code. */
    public static void fail() throws IOException {
        throw new IOException("a rule is switched off");
    }

    /**
     * Runs a static method of a test class with the changed classes. Its parameters and result must have types of the
     * JDK.
     */
    public Object run(String testClass, String testMethod, Class<?>[] types, Object... arguments)
            throws ReflectiveOperationException {
        var run = load(testClass).getDeclaredMethod(testMethod, types);
        run.setAccessible(true);
        return run.invoke(null, arguments);
    }

    /**
     * Returns whether a test fails with the changed classes, that is, whether a promise is broken. The test class needs
     * a constructor without parameters.
     *
     * @param parameters the arguments of the test
     * @throws InvocationTargetException if the test throws something other than an {@link AssertionError}, which says
     *     nothing about the rule
     */
    public boolean breaks(Class<?> testClass, String test, long... parameters) throws ReflectiveOperationException {
        Class<?> loaded = load(testClass.getName());
        var constructor = loaded.getDeclaredConstructor();
        constructor.setAccessible(true);
        Class<?>[] types = new Class<?>[parameters.length];
        Arrays.fill(types, long.class);
        var method = loaded.getDeclaredMethod(test, types);
        method.setAccessible(true);
        try {
            method.invoke(
                    constructor.newInstance(), Arrays.stream(parameters).boxed().toArray());
            return false;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof AssertionError) {
                return true;
            }
            throw e;
        }
    }

    /**
     * Loads the changed classes first, so that a change that does not fit is reported by itself and not from within the
     * test.
     */
    private Class<?> load(String testClass) throws ClassNotFoundException {
        Loader loader = new Loader(Mutant.class.getClassLoader());
        for (Change change : changes) {
            Class<?> unused = Class.forName(change.className(), false, loader);
        }
        return Class.forName(testClass, true, loader);
    }

    /** Returns the description of the rule. */
    @Override
    public String toString() {
        return rule;
    }

    private static byte[] changed(byte[] original, Change change) {
        ClassReader reader = new ClassReader(original);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        List<Code> changed = new ArrayList<>();
        reader.accept(
                new ClassVisitor(Opcodes.ASM9, writer) {
                    @Override
                    public MethodVisitor visitMethod(
                            int access, String name, String descriptor, String signature, String[] exceptions) {
                        MethodVisitor code = super.visitMethod(access, name, descriptor, signature, exceptions);
                        if (!name.equals(change.method()) && !name.startsWith("lambda$" + change.method() + "$")) {
                            return code;
                        }
                        Code visitor = change.code().apply(code);
                        visitor.returns(Type.getReturnType(descriptor));
                        changed.add(visitor);
                        return visitor;
                    }
                },
                0);
        if (changed.stream().noneMatch(Code::hasChanged)) {
            throw new IllegalStateException(
                    "nothing to change in " + change.className() + " " + change.method() + ", or no such method");
        }
        return writer.toByteArray();
    }

    private abstract static class Code extends MethodVisitor {
        Code(MethodVisitor code) {
            super(Opcodes.ASM9, code);
        }

        /** Returns whether the code to be changed was found. */
        abstract boolean hasChanged();

        /** Receives the return type of the method. */
        void returns(Type given) {}

        final void popCall(int opcode, String descriptor) {
            Type[] arguments = Type.getArgumentTypes(descriptor);
            for (int i = arguments.length - 1; i >= 0; i--) {
                mv.visitInsn(arguments[i].getSize() == 2 ? Opcodes.POP2 : Opcodes.POP);
            }
            if (opcode != Opcodes.INVOKESTATIC) {
                mv.visitInsn(Opcodes.POP);
            }
        }

        final void push(Type type, long value) {
            switch (type.getSort()) {
                case Type.VOID -> {}
                case Type.LONG -> mv.visitLdcInsn(value);
                case Type.DOUBLE -> mv.visitInsn(Opcodes.DCONST_0);
                case Type.OBJECT, Type.ARRAY -> mv.visitInsn(Opcodes.ACONST_NULL);
                default -> mv.visitLdcInsn((int) value);
            }
        }
    }

    private abstract static class Calls extends Code {
        private final String called;
        private boolean found;

        Calls(MethodVisitor code, String called) {
            super(code);
            this.called = called;
        }

        abstract void call(int opcode, String owner, String descriptor, boolean isInterface);

        final void leave(int opcode, String owner, String name, String descriptor, boolean isInterface) {
            super.visitMethodInsn(opcode, owner, name, descriptor, isInterface);
        }

        @Override
        public final void visitMethodInsn(
                int opcode, String owner, String name, String descriptor, boolean isInterface) {
            if (name.equals(called)) {
                found = true;
                call(opcode, owner, descriptor, isInterface);
            } else {
                leave(opcode, owner, name, descriptor, isInterface);
            }
        }

        @Override
        final boolean hasChanged() {
            return found;
        }
    }

    /** A visitor that emits its own code and drops the original. */
    private static final class Constant extends Code {
        private final MethodVisitor target;
        private final long value;
        private Type type = Type.VOID_TYPE;

        Constant(MethodVisitor code, long value) {
            super(code);
            this.target = code;
            this.value = value;
        }

        @Override
        void returns(Type given) {
            type = given;
        }

        @Override
        boolean hasChanged() {
            return true;
        }

        @Override
        public void visitCode() {
            target.visitCode();
            push(type, value);
            target.visitInsn(type.getOpcode(Opcodes.IRETURN));
            target.visitMaxs(0, 0);
            target.visitEnd();
            mv = null; // drops the original code
        }
    }

    /** A class loader that loads all classes of the project again. */
    private final class Loader extends ClassLoader {
        Loader(ClassLoader parent) {
            super(parent);
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith(OURS)) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded == null ? define(name) : loaded;
            }
        }

        private Class<?> define(String name) throws ClassNotFoundException {
            try (InputStream file = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
                if (file == null) {
                    throw new ClassNotFoundException(name);
                }
                byte[] bytes = file.readAllBytes();
                for (Change change : changes) {
                    bytes = name.equals(change.className()) ? changed(bytes, change) : bytes;
                }
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new ClassNotFoundException(name, e);
            }
        }
    }
}
