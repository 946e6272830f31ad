/**
 * Point rendering on one WebGL2 context shared by all scatters of a page, because browsers limit the number of contexts
 * to about 16. Each view passes plain arrays and a matrix, and the result is copied to its own 2D canvas. It does not
 * matter which copy of this module created the context.
 */
import { sharedOnPage } from "./page.ts";
import { type Frame, POINT_STYLE, type PointRenderer } from "./point-renderer.ts";

/** A GLSL float has a decimal point. */
const glsl = (value: number) => (Number.isInteger(value) ? value.toFixed(1) : String(value));

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec3 position;
layout(location = 1) in vec4 color;
uniform mat4 viewProjection;
uniform float size;
uniform float focus;
uniform vec2 depth;
uniform vec3 ground;
uniform float margin;
flat out vec3 inner;
flat out vec3 rim;
flat out float radius;
void main() {
  gl_Position = viewProjection * vec4(position, 1.0);
  float distance = gl_Position.w;
  float diameter = size * clamp(sqrt(focus / max(distance, 1e-6)), ${glsl(POINT_STYLE.smallest)}, ${glsl(POINT_STYLE.largest)});
  radius = diameter * 0.5;
  gl_PointSize = diameter + margin;
  vec3 base = mix(ground, color.rgb, color.a);
  float light = dot(base, vec3(0.299, 0.587, 0.114));
  vec3 contrast = light > ${glsl(POINT_STYLE.rimTurn)}
    ? base * ${glsl(POINT_STYLE.rimDarker)}
    : mix(base, vec3(1.0), ${glsl(POINT_STYLE.rimLighter)});
  float strength = smoothstep(${glsl(POINT_STYLE.rimFrom)}, ${glsl(POINT_STYLE.rimTo)}, diameter);
  float far = clamp((distance - depth.x) / max(depth.y - depth.x, 1e-6), 0.0, 1.0) * ${glsl(POINT_STYLE.fade)};
  inner = mix(base, ground, far);
  rim = mix(mix(base, contrast, strength), ground, far);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
flat in vec3 inner;
flat in vec3 rim;
flat in float radius;
uniform float margin;
uniform vec2 range;
out vec4 fragment;
void main() {
  float inside = radius - length(gl_PointCoord - 0.5) * (radius * 2.0 + margin);
  float coverage = clamp(inside + 0.5, 0.0, 1.0);
  if (coverage < range.x || coverage >= range.y) discard;
  float alpha = range.y > 1.0 ? 1.0 : coverage;
  fragment = vec4(mix(rim, inner, smoothstep(0.0, ${glsl(POINT_STYLE.rim)}, inside)), 1.0) * alpha;
}`;

const UNIFORMS = ["viewProjection", "size", "focus", "depth", "ground", "margin", "range"] as const;
type Uniforms = Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>;

/** A renderer on the page's shared context, or null without WebGL2. `onRestore` is called when points must be redrawn. */
export function createGlPoints(onRestore: () => void): PointRenderer | null {
  const page = sharedOnPage();
  if (!page.points) {
    const context = PointContext.open(() => { delete page.points; });
    if (!context) return null;
    page.points = context;
  }
  return page.points.create(onRestore);
}

/** The offscreen canvas with its context and shader program; closed with the last renderer. */
class PointContext {
  readonly gl: WebGL2RenderingContext;
  uniforms!: Uniforms;
  #program!: WebGLProgram;
  #canvas: HTMLCanvasElement;
  #renderers = new Set<GlPoints>();
  #close: () => void;
  #listening = new AbortController();

  static open(onClose: () => void): PointContext | null {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl2", { antialias: false, stencil: false });
    return gl && !gl.isContextLost() ? new PointContext(canvas, gl, onClose) : null;
  }

  private constructor(canvas: HTMLCanvasElement, gl: WebGL2RenderingContext, onClose: () => void) {
    this.#canvas = canvas;
    this.gl = gl;
    this.#close = onClose;
    this.#build();
    const { signal } = this.#listening;
    // A lost context is restored only if the default is prevented.
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault(), { signal });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#build();
      for (const renderer of this.#renderers) renderer.restore();
    }, { signal });
  }

  create(onRestore: () => void): PointRenderer {
    const renderer = new GlPoints(this, onRestore);
    this.#renderers.add(renderer);
    return renderer;
  }

  release(renderer: GlPoints): void {
    if (!this.#renderers.delete(renderer) || this.#renderers.size > 0) return;
    this.#listening.abort();
    this.gl.deleteProgram(this.#program);
    // Otherwise the context counts against the limit until it is garbage-collected.
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.#close();
  }

  begin(width: number, height: number): void {
    // Only grown: views of different sizes would otherwise reallocate the buffer for each frame.
    if (this.#canvas.width < width) this.#canvas.width = width;
    if (this.#canvas.height < height) this.#canvas.height = height;
    const { gl } = this;
    gl.viewport(0, 0, width, height);
    gl.scissor(0, 0, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.enable(gl.DEPTH_TEST);
    gl.depthMask(true);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(this.#program);
  }

  /** Must run in the same task as the drawing, because the browser may clear the buffer afterwards. */
  blit(target: CanvasRenderingContext2D, width: number, height: number): void {
    target.drawImage(this.#canvas, 0, this.#canvas.height - height, width, height, 0, 0, width, height);
  }

  #build(): void {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the graphics driver rejected the point shader: ${gl.getProgramInfoLog(program)}`);
    }
    this.#program = program;
    this.uniforms = Object.fromEntries(
      UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]),
    ) as Uniforms;
  }
}

class GlPoints implements PointRenderer {
  readonly kind = "webgl2";
  #context: PointContext;
  #onRestore: () => void;
  #coords: Float32Array = new Float32Array(0);
  #colors: Uint8ClampedArray = new Uint8ClampedArray(0);
  #array!: WebGLVertexArrayObject;
  #positionBuffer!: WebGLBuffer;
  #colorBuffer!: WebGLBuffer;

  constructor(context: PointContext, onRestore: () => void) {
    this.#context = context;
    this.#onRestore = onRestore;
    this.#build();
  }

  get available(): boolean {
    return !this.#context.gl.isContextLost();
  }

  setPoints(coords: Float32Array): void {
    this.#coords = coords;
    this.#upload(this.#positionBuffer, coords);
  }

  setColors(rgba: Uint8ClampedArray): void {
    this.#colors = rgba;
    this.#upload(this.#colorBuffer, rgba);
  }

  restore(): void {
    this.#build();
    this.#upload(this.#positionBuffer, this.#coords);
    this.#upload(this.#colorBuffer, this.#colors);
    this.#onRestore();
  }

  draw(target: CanvasRenderingContext2D, frame: Frame): void {
    const { gl, uniforms } = this.#context;
    const count = Math.min(this.#coords.length / 3, this.#colors.length / 4);
    this.#context.begin(frame.width, frame.height);
    gl.uniformMatrix4fv(uniforms.viewProjection, false, frame.viewProjection);
    gl.uniform1f(uniforms.size, frame.size);
    gl.uniform1f(uniforms.focus, frame.focus);
    gl.uniform2f(uniforms.depth, frame.depth[0], frame.depth[1]);
    gl.uniform3f(uniforms.ground, frame.ground[0], frame.ground[1], frame.ground[2]);
    gl.bindVertexArray(this.#array);
    gl.disable(gl.BLEND);
    gl.uniform1f(uniforms.margin, 0);
    gl.uniform2f(uniforms.range, frame.soft ? 1 : 0.5, 2);
    gl.drawArrays(gl.POINTS, 0, count);
    if (frame.soft) {
      // Second pass: blend the edges over the opaque discs behind them. In a single pass
      // an edge would also write its depth and cut halos into points drawn later.
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.depthMask(false);
      gl.uniform1f(uniforms.margin, 2);
      gl.uniform2f(uniforms.range, 0.01, 1);
      gl.drawArrays(gl.POINTS, 0, count);
    }
    gl.bindVertexArray(null);
    this.#context.blit(target, frame.width, frame.height);
  }

  dispose(): void {
    const { gl } = this.#context;
    gl.deleteVertexArray(this.#array);
    gl.deleteBuffer(this.#positionBuffer);
    gl.deleteBuffer(this.#colorBuffer);
    this.#context.release(this);
  }

  #build(): void {
    const { gl } = this.#context;
    this.#array = gl.createVertexArray();
    this.#positionBuffer = gl.createBuffer();
    this.#colorBuffer = gl.createBuffer();
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#positionBuffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#colorBuffer);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.bindVertexArray(null);
  }

  #upload(buffer: WebGLBuffer, data: Float32Array | Uint8ClampedArray): void {
    const { gl } = this.#context;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
  }
}
