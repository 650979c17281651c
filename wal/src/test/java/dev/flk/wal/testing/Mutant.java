// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.testing;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.util.function.UnaryOperator;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * The product with one rule switched off: one of its classes, whose code was changed, and all its other classes, in a class loader
 * of their own. What a test runs in there must fail, or it does not hold the rule.
 */
public final class Mutant {
    private static final String OURS = "dev.flk.";

    private final String rule;
    private final String className;
    private final String method;
    private final UnaryOperator<MethodVisitor> change;

    private Mutant(String rule, String className, String method, UnaryOperator<MethodVisitor> change) {
        this.rule = rule;
        this.className = className;
        this.method = method;
        this.change = change;
    }

    /** The method, lambdas in it included, leaves out its calls of {@code called}; where they give something, it is 0, false or null. */
    public static Mutant notCalling(String rule, String className, String method, String called) {
        return new Mutant(rule, className, method, code -> new Calls(code, called) {
            @Override
            void call(int opcode, String owner, String descriptor, boolean isInterface) {
                Type[] arguments = Type.getArgumentTypes(descriptor);
                for (int i = arguments.length - 1; i >= 0; i--) {
                    pop(arguments[i]);
                }
                if (opcode != Opcodes.INVOKESTATIC) {
                    super.visitInsn(Opcodes.POP);
                }
                push(Type.getReturnType(descriptor), 0);
            }
        });
    }

    /** The method, lambdas in it included, calls {@code instead}, of the same type and shape, where it should call {@code called}. */
    public static Mutant callingInstead(String rule, String className, String method, String called, String instead) {
        return new Mutant(rule, className, method, code -> new Calls(code, called) {
            @Override
            void call(int opcode, String owner, String descriptor, boolean isInterface) {
                leave(opcode, owner, instead, descriptor, isInterface);
            }
        });
    }

    /** The method does nothing; what it gives back is {@code value}, or null where that is an object. */
    public static Mutant returning(String rule, String className, String method, long value) {
        return new Mutant(rule, className, method, code -> new Constant(code, value));
    }

    /** A static method of a class of the tests that takes and gives what classes of the JDK can hold, run in there. */
    public Object run(String testClass, String testMethod, Class<?>[] types, Object... arguments)
            throws ReflectiveOperationException {
        Class<?> loaded = Class.forName(testClass, true, new Loader(Mutant.class.getClassLoader()));
        var run = loaded.getDeclaredMethod(testMethod, types);
        run.setAccessible(true);
        return run.invoke(null, arguments);
    }

    /** Whether a test without parameters, of a class with a constructor without any, fails in there. */
    public boolean breaks(Class<?> testClass, String test) throws ReflectiveOperationException {
        Class<?> loaded = Class.forName(testClass.getName(), true, new Loader(Mutant.class.getClassLoader()));
        var constructor = loaded.getDeclaredConstructor();
        constructor.setAccessible(true);
        var method = loaded.getDeclaredMethod(test);
        method.setAccessible(true);
        try {
            method.invoke(constructor.newInstance());
            return false;
        } catch (InvocationTargetException e) {
            return true;
        }
    }

    /** The rule, in words. */
    @Override
    public String toString() {
        return rule;
    }

    private byte[] changed(byte[] original) {
        ClassReader reader = new ClassReader(original);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        boolean[] found = new boolean[1];
        reader.accept(
                new ClassVisitor(Opcodes.ASM9, writer) {
                    @Override
                    public MethodVisitor visitMethod(
                            int access, String name, String descriptor, String signature, String[] exceptions) {
                        MethodVisitor code = super.visitMethod(access, name, descriptor, signature, exceptions);
                        if (!name.equals(method) && !name.startsWith("lambda$" + method + "$")) {
                            return code;
                        }
                        found[0] = true;
                        MethodVisitor changed = change.apply(code);
                        if (changed instanceof Constant constant) {
                            constant.returns(Type.getReturnType(descriptor));
                        }
                        return changed;
                    }
                },
                0);
        if (!found[0]) {
            throw new AssertionError(className + " has no method " + method);
        }
        return writer.toByteArray();
    }

    private abstract static class Code extends MethodVisitor {
        Code(MethodVisitor code) {
            super(Opcodes.ASM9, code);
        }

        final void pop(Type type) {
            mv.visitInsn(type.getSize() == 2 ? Opcodes.POP2 : Opcodes.POP);
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
                call(opcode, owner, descriptor, isInterface);
            } else {
                leave(opcode, owner, name, descriptor, isInterface);
            }
        }
    }

    /** Emits its own code, and lets nothing of the original through. */
    private static final class Constant extends Code {
        private final MethodVisitor target;
        private final long value;
        private Type type = Type.VOID_TYPE;

        Constant(MethodVisitor code, long value) {
            super(code);
            this.target = code;
            this.value = value;
        }

        void returns(Type given) {
            type = given;
        }

        @Override
        public void visitCode() {
            target.visitCode();
            push(type, value);
            target.visitInsn(type.getOpcode(Opcodes.IRETURN));
            target.visitMaxs(0, 0);
            target.visitEnd();
            mv = null; // what follows goes nowhere
        }
    }

    /** Loads all that is ours anew. */
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
                byte[] original = file.readAllBytes();
                byte[] bytes = name.equals(className) ? changed(original) : original;
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new ClassNotFoundException(name, e);
            }
        }
    }
}
